//! `decom show NAME --format html`: the certificate for one customer.

use super::CommandError;
use super::anchored::{newest_anchoring, verified};
use super::context::{Context, VERSION};
use super::output::Destination;
use super::show::{ShowRequest, history_of};
use super::signed::{signing_key, write_page};
use crate::audit::{AuditError, AuditReader, LogSeries};
use crate::domain::{ExitStatus, TargetAccount};
use crate::report::{
    Anchoring, CustomerCertificate, NameHistory, Purpose, Statement, write_customer_certificate,
};
use crate::sshsig::SigningKey;

/// Issues the certificate of the name.
pub(super) fn issue(
    request: &ShowRequest,
    out: Destination<'_>,
    context: &Context<'_>,
) -> Result<ExitStatus, CommandError> {
    let log = &context.settings.audit.db;
    let key = signing_key(context, out)?;
    // That nothing mentions the name is found before the logs are checked, which may take long. While they are checked
    // nobody may have them open.
    let series = LogSeries::open(log)?;
    history_of(&series, request)?;
    let paths = series.paths();
    drop(series);
    let mut checked = Vec::new();
    for path in &paths {
        checked.extend(verified(path, &request.signers, context)?);
    }
    let series = LogSeries::open(log)?;
    let moments = series.readers().map(AuditReader::hold_still).collect::<Result<Vec<_>, _>>()?;
    let history = history_of(&series, request)?;
    let purposes = purposes(&series, &history)?;
    let newest = history.accounts.iter().max_by_key(|account| account.run.started_at);
    let anchoring = match newest {
        Some(newest) => newest_anchoring(&checked, &newest.log_id, context),
        None => Anchoring::NotLooked,
    };
    drop(moments);
    let certificate = CustomerCertificate {
        purposes,
        history,
        organisation: context.settings.report.organisation.clone(),
        issued_at: request.issued_at.unwrap_or_else(|| context.world.clock.timestamp()),
        issued_by: VERSION.to_owned(),
        anchoring,
        signed_with: key.as_ref().map(SigningKey::fingerprint),
    };
    if let Some(last) = certificate.last_record_at().filter(|last| certificate.issued_at < *last) {
        return Err(CommandError::Usage(format!(
            "{} is before the last record about \"{}\" ({last}); name a time after it with --issued-at",
            certificate.issued_at, request.name
        )));
    }
    let mut page = Vec::new();
    write_customer_certificate(&mut page, &certificate).map_err(CommandError::Terminal)?;
    write_page(&page, key.as_ref(), out, log)?;
    Ok(ExitStatus::Done)
}

/// The log that holds an account.
fn reader_of<'a>(
    series: &'a LogSeries,
    account: &TargetAccount,
) -> Result<Option<&'a AuditReader>, AuditError> {
    for reader in series.readers() {
        if reader.log_ids()?.contains(&account.log_id) {
            return Ok(Some(reader));
        }
    }
    Ok(None)
}

/// Of each account, the reason and the ticket that its customer may see.
fn purposes(series: &LogSeries, history: &NameHistory) -> Result<Vec<Purpose>, CommandError> {
    let own: Vec<_> = history.accounts.iter().map(|account| account.result.name.as_str()).collect();
    let mut purposes = Vec::new();
    for account in &history.accounts {
        let (run, result) = (&account.run, &account.result);
        let Some(reader) = reader_of(series, account)? else { continue };
        let may_be_shown = |text: &str| reader.names_no_other(&run.run_id, text, &own);
        let is_alone = || reader.has_no_other(&run.run_id, &own);
        let said = |text: &Option<String>, may: &dyn Fn(&str) -> Result<bool, AuditError>| {
            Ok::<_, AuditError>(match text {
                None => Statement::None,
                Some(text) if may(text)? => Statement::Text(text.clone()),
                Some(_) => Statement::LeftOut,
            })
        };
        let reason = match &result.target_reason {
            Some(_) => said(&result.target_reason, &may_be_shown)?,
            // Of a whole run: free text, which may be about all whose names are in it.
            None => said(&run.reason, &|_| is_alone())?,
        };
        let ticket = match &result.target_ticket {
            Some(_) => said(&result.target_ticket, &may_be_shown)?,
            None => said(&run.ticket, &may_be_shown)?,
        };
        purposes.push(Purpose { reason, ticket });
    }
    Ok(purposes)
}
