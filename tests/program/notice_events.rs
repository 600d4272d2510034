//! What a webhook is notified of besides the end of a run, which of it the settings select, and that no notice names a
//! datasource unless names are asked for. And what `plan` and refusals push.

use serde_json::{Value, json};

use crate::notices::told;
use crate::support::{Output, Reply, Request, Sandbox, Server, csv, decom, wait_until};

/// The settings of a person who wants to know everything.
const WEBHOOK: (&str, &str) = ("DECOM_WATCH_NOTIFY_URL_FILE", "webhook");

struct Scene {
    postbox: Server,
    sandbox: Sandbox,
    server: Server,
}

impl Scene {
    fn new(server: Server) -> Self {
        let postbox = Server::receiving(Reply::status(200));
        let sandbox = told(&postbox);
        Self { postbox, sandbox, server }
    }

    fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        decom(&self.sandbox, &self.server, arguments).envs(&[WEBHOOK]).envs(settings).run()
    }

    fn notices(&self) -> Vec<Value> {
        self.postbox.requests().iter().map(Request::json).collect()
    }

    fn events(&self) -> Vec<String> {
        self.notices().iter().map(|notice| notice["event"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn the_beginning_and_the_end_of_a_run_are_told_in_this_order() {
    let scene = Scene::new(Server::start(|seen| match seen.name.as_str() {
        "kunde-used" => Reply::in_use(),
        _ => Reply::deleted(),
    }));
    let input = csv(&scene.sandbox, &["kunde-1", "kunde-used"]);
    scene.run(&["run", &input], &[]).expect(1);
    assert_eq!(scene.events(), ["run_started", "run_ended"]);
    let [started, ended] = &scene.notices()[..] else { panic!() };
    assert_eq!((&started["planned"], &started["counts"]["pending"]), (&json!(2), &json!(2)));
    assert_eq!((&started["operator"], &started["run_id"]), (&json!("tester"), &ended["run_id"]));
    assert_eq!(ended["exceptions"], Value::Null);
    assert!(!format!("{:?}", scene.notices()).contains("kunde"), "{:?}", scene.notices());
}

#[test]
fn names_are_told_if_asked_for() {
    let scene = Scene::new(Server::start(|_| Reply::in_use()));
    let input = csv(&scene.sandbox, &["kunde-used"]);
    scene.run(&["run", &input], &[("DECOM_WATCH_NOTIFY_NAMES", "true")]).expect(1);
    let exceptions = &scene.notices()[1]["exceptions"];
    assert_eq!(*exceptions, json!([{ "name": "kunde-used", "outcome": "in_use" }]));
}

#[test]
fn a_run_that_begins_waits_for_no_webhook() {
    let scene = Scene::new(Server::deleting());
    let slow = Server::receiving(crate::support::Fault::NeverAnswer);
    let url = format!("{}/hook", slow.url());
    let input = csv(&scene.sandbox, &["kunde-1"]);
    let settings = [("DECOM_WATCH_NOTIFY_URL", url.as_str()), ("DECOM_WATCH_NOTIFY_ON", "run_started")];
    let running = decom(&scene.sandbox, &scene.server, &["run", &input]).envs(&settings).start();
    scene.server.wait_for_deletions(1);
    wait_until("the notice is under way", || !slow.requests().is_empty());
    // It has its time at the end, and changes nothing.
    let ended = running.finish().expect(0);
    assert!(ended.stderr.contains("could not be sent to the webhook"), "{}", ended.stderr);
}

#[test]
fn refusals_are_told_and_name_nothing() {
    let scene = Scene::new(Server::deleting());
    let input = csv(&scene.sandbox, &["kunde-1", "kunde-2"]);
    scene.run(&["run", &input, "--max-deletes", "1"], &[]).expect(3);
    scene.sandbox.file("bad.csv", "name\nkunde-1\n\"kunde-\u{7}\"\n");
    scene.run(&["run", "bad.csv"], &[]).expect(2);
    scene.server.answer_listing(|_| Reply::status(401));
    scene.run(&["run", &input, "--max-share", "50"], &[]).expect(4);
    assert_eq!(scene.events(), ["run_refused", "run_refused", "run_stopped"]);
    let notices = scene.notices();
    let codes: Vec<_> = notices.iter().map(|notice| notice["exit_code"].clone()).collect();
    assert_eq!(codes, [3, 2, 4]);
    assert!(notices[2]["stopped"].as_str().unwrap().contains("check the token"), "{notices:?}");
    assert!(notices.iter().all(|notice| notice["run_id"].is_null()), "{notices:?}");
    assert!(!format!("{notices:?}").contains("kunde"), "{notices:?}");
    scene.run(&["run", "bad.csv"], &[("DECOM_WATCH_NOTIFY_NAMES", "true")]).expect(2);
    let why = scene.notices()[3]["stopped"].as_str().unwrap().to_owned();
    assert!(why.contains("bad.csv"), "{why}");
}

#[test]
fn a_canary_is_not_named() {
    let scene = Scene::new(Server::start(|_| Reply::in_use()));
    scene.server.list(&["kunde-1", "kunde-2"]);
    scene.server.list_datamarts(&[]);
    let input = csv(&scene.sandbox, &["kunde-1", "kunde-2"]);
    scene.run(&["run", &input, "--canary", "1"], &[]).expect(4);
    assert_eq!(scene.events(), ["run_started", "run_stopped"]);
    assert_eq!(scene.notices()[1]["stopped"], "a canary ended in_use; the run was stopped");
}

#[test]
fn plans_are_told_and_the_approval_that_they_wait_for() {
    let scene = Scene::new(Server::deleting());
    scene.server.list(&["kunde-1", "kunde-2", "other-1", "other-2", "other-3"]);
    scene.server.list_datamarts(&[]);
    let input = csv(&scene.sandbox, &["kunde-1", "kunde-2"]);
    scene.run(&["plan", &input], &[]).expect(0);
    scene
        .run(&["plan", &input, "--out", "plan.json"], &[("DECOM_SAFETY_ALLOWED_SIGNERS", "signers")])
        .expect(0);
    scene.run(&["plan", &input, "--max-deletes", "1"], &[]).expect(3);
    assert_eq!(scene.events(), ["plan_made", "plan_made", "approval_wanted", "run_refused"]);
    let notices = scene.notices();
    let [first, .., approval, _] = &notices[..] else { panic!() };
    assert_eq!(
        (&first["planned"], &first["to_delete"], &first["plan"]),
        (&json!(2), &json!(2), &Value::Null)
    );
    let plan: Value =
        serde_json::from_slice(&std::fs::read(scene.sandbox.path("plan.json")).unwrap()).unwrap();
    assert_eq!(
        approval["plan"],
        json!({ "file": "plan.json", "digest": plan["digest"], "expires_at": plan["expires_at"] })
    );
    assert!(!format!("{notices:?}").contains("kunde"), "{notices:?}");
    // A saved plan that is only shown is no news.
    scene.run(&["plan", "--show", "plan.json"], &[]).expect(0);
    assert_eq!(scene.notices().len(), 4);
}

#[test]
fn the_settings_select_what_is_told() {
    let scene = Scene::new(Server::deleting());
    let input = csv(&scene.sandbox, &["kunde-1"]);
    let only_refusals = [("DECOM_WATCH_NOTIFY_ON", "run_refused,run_stopped")];
    scene.run(&["run", &input], &only_refusals).expect(0);
    assert!(scene.notices().is_empty());
    scene.run(&["run", &input, "--again", "--max-deletes", "0"], &only_refusals).expect(3);
    assert_eq!(scene.events(), ["run_refused"]);
    let refused = scene.run(&["run", &input], &[("DECOM_WATCH_NOTIFY_ON", "ended")]).expect(2);
    assert!(
        refused.stderr.contains("a list of plan_made, approval_wanted, run_started"),
        "{}",
        refused.stderr
    );
}

#[test]
fn what_is_pushed_has_a_group_that_stays() {
    let gateway = Server::receiving(Reply::status(202));
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let (input, url) = (csv(&sandbox, &["a", "b"]), gateway.url());
    let settings = [("DECOM_PUSH_GATEWAY", url.as_str()), ("DECOM_WATCH_INSTANCE", "decom-offboarding")];
    for (arguments, code) in [
        (&["run", &input, "--max-deletes", "1"][..], 3),
        (&["plan", &input, "--offline"], 0),
        (&["plan", &input, "--offline", "--max-deletes", "1"], 3),
        (&["run", &input], 0),
    ] {
        decom(&sandbox, &server, arguments).envs(&settings).run().expect(code);
    }
    let pushed: Vec<_> = gateway.requests().iter().map(|request| request.path.clone()).collect();
    let (run, plan) = ("/metrics/job/decom/instance/decom-offboarding", "/command/plan");
    let plan = format!("{run}{plan}");
    assert_eq!(pushed, [run, &plan, &plan, run], "the end of a plan replaces that of no run");
    for (request, code) in gateway.requests().iter().zip([3, 0, 3, 0]) {
        assert!(request.text().contains(&format!("decom_last_run_exit_code {code}\n")), "{}", request.text());
    }
}
