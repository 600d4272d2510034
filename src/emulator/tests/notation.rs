//! How faults are written and read.

use proptest::prelude::*;

use crate::emulator::{FaultKind, Faults, FaultsError};

fn error(text: &str) -> FaultsError {
    text.parse::<Faults>().expect_err(text)
}

#[test]
fn parses_and_displays_every_kind() {
    for kind in FaultKind::ALL {
        let text = format!("{kind}=2.5%");
        assert_eq!(text.parse::<Faults>().unwrap().to_string(), text);
    }
}

#[test]
fn ignores_spaces_and_order_and_drops_zeros() {
    let faults: Faults = " missing = 2.50% , http500=005%,slow=0% ".parse().unwrap();
    assert_eq!(faults.to_string(), "http500=5%,missing=2.5%");
}

#[test]
fn no_faults_are_written_as_none() {
    for text in ["", " ", "none", "drop=0%"] {
        let faults: Faults = text.parse().unwrap();
        assert!(faults.is_none() && faults == Faults::none());
        assert_eq!(faults.to_string(), "none");
    }
    assert!(!"drop=0.000001%".parse::<Faults>().unwrap().is_none());
}

#[test]
fn the_default_of_a_rehearsal_is_as_documented() {
    let text = "http500=4%,http502-html=0.5%,drop=1%,truncate=0.5%,slow=1%,in-use=3%,missing=2%";
    assert_eq!(Faults::rehearsal().to_string(), text);
    assert_eq!(text.parse(), Ok(Faults::rehearsal()));
}

#[test]
fn an_unknown_kind_is_reported_with_a_suggestion_and_all_known_ones() {
    let message = error("drop=1%,htp500=5%").to_string();
    assert!(
        message.starts_with("`htp500=5%`: there is no fault `htp500` (did you mean `http500`?)"),
        "{message}"
    );
    assert!(FaultKind::ALL.iter().all(|kind| message.contains(kind.name())), "{message}");
    assert!(error("inuse=1%").to_string().contains("`in-use`?"));
    let FaultsError::Unknown { nearest, .. } = error("earthquake=1%") else { panic!() };
    assert_eq!(nearest, None);
}

#[test]
fn rejects_what_is_not_a_percentage() {
    for bad in [
        "5",
        "",
        "%",
        "five%",
        "-1%",
        "+1%",
        ".5%",
        "5.%",
        "1.0000001%",
        "100.1%",
        "1e2%",
        "5%%",
        "99999999999999999999%",
    ] {
        let FaultsError::Percentage { piece, percentage } = error(&format!("drop=1%,slow={bad}")) else {
            panic!("{bad}")
        };
        assert_eq!((piece, percentage.as_str()), (format!("slow={bad}"), bad));
    }
}

#[test]
fn rejects_pieces_without_kind_or_percentage() {
    for (text, piece) in
        [("http500", "http500"), ("drop=1%,", ""), ("drop=1%,none", "none"), (",drop=1%", "")]
    {
        assert_eq!(error(text), FaultsError::Form { piece: piece.to_owned() });
    }
}

#[test]
fn rejects_a_repeated_kind() {
    assert_eq!(
        error("drop=0%,slow=1%,drop=2%"),
        FaultsError::Repeated { piece: "drop=2%".to_owned(), kind: FaultKind::Drop }
    );
}

#[test]
fn rejects_a_family_that_adds_up_to_more_than_100_percent() {
    assert!("http500=60%,drop=40%,in-use=50%,missing=50%".parse::<Faults>().is_ok());
    let message = error("http500=60%,in-use=50%,drop=40.5%").to_string();
    assert_eq!(message, "with `drop=40.5%` the faults of requests add up to 100.5%, which is more than 100%");
    assert!(error("in-use=60%,missing=41%").to_string().contains("the faults of names add up to 101%"));
}

proptest! {
    #[test]
    fn parses_what_it_displays(rates in prop::collection::vec(0_u64..=5_263_157, FaultKind::ALL.len())) {
        let pieces: Vec<_> = FaultKind::ALL
            .iter()
            .zip(&rates)
            .map(|(kind, rate)| format!("{kind}={}.{:06}%", rate / 1_000_000, rate % 1_000_000))
            .collect();
        let faults: Faults = pieces.join(",").parse().unwrap();
        prop_assert_eq!(faults.to_string().parse::<Faults>(), Ok(faults));
        prop_assert_eq!(faults.to_string() == "none", rates.iter().all(|rate| *rate == 0));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z0-9=%., -]{0,40}") {
        if let Ok(faults) = text.parse::<Faults>() {
            prop_assert_eq!(faults.to_string().parse(), Ok(faults));
        }
    }
}
