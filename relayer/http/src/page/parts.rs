//! Pieces of the page.

use maud::{Markup, html};

use crate::{
    Snapshot,
    views::{DutyView, JobView, LeftAloneView, StatusView, StepView},
};

/// Longest text of an amount that is written with a decimal point.
const ETHER_DIGITS: usize = 18;

pub(super) fn overview(snapshot: &Snapshot) -> Markup {
    let status = &snapshot.status;
    html! {
        h1 { "What this relayer does" }
        @if !status.obstacles.is_empty() || snapshot.store_error.is_some() {
            section.trouble aria-labelledby="trouble" {
                h2 #trouble { "What stands against work" }
                ul {
                    @for obstacle in &status.obstacles { li { code { (obstacle.code) } " " (obstacle.text) } }
                    @if let Some(error) = &snapshot.store_error { li { code { "store" } " " (error) } }
                }
            }
        }
        @if let Some(trouble) = &status.policy.trouble { p.trouble { "Policy: " (trouble) } }
        (figures(snapshot))
        (jobs(&snapshot.jobs))
        (duties(&snapshot.duties))
        (left_alone(&status.left_alone))
        (nodes(status))
        (counts(status))
    }
}

pub(super) fn readiness(status: &StatusView) -> Markup {
    if status.ready {
        html! { span.badge.good { "ready" } }
    } else {
        html! { span.badge.bad { "not ready" } }
    }
}

/// The ends of a long hexadecimal text.
pub(super) fn short(text: &str) -> String {
    match (text.get(..8), text.get(text.len().saturating_sub(6)..)) {
        (Some(head), Some(tail)) if text.len() > 20 => format!("{head}…{tail}"),
        _ => text.to_owned(),
    }
}

fn figures(snapshot: &Snapshot) -> Markup {
    let status = &snapshot.status;
    let none = || "not known yet".to_owned();
    let slack = status.least_slack.map_or("no job waits".into(), |slack| {
        if slack < 0 {
            format!("{} past", span(slack.unsigned_abs()))
        } else {
            span(slack.unsigned_abs())
        }
    });
    let quote = status.quote.as_ref().map_or_else(none, |quote| {
        format!("{}, in {}", amount(&quote.least_price, None), span(quote.expected_seconds))
    });
    let openings = status.openings.map_or_else(none, |o| format!("{} of {}", o.left, o.budget));
    html! {
        section aria-labelledby="figures" {
            h2 #figures { "Now" }
            dl.figures {
                div { dt { "newest block" } dd { (status.newest.map_or_else(none, |head| head.number.to_string())) } }
                div { dt { "nearest deadline" } dd { (slack) } }
                div { dt { "proofs being made" } dd { (status.proofs_running) } }
                div { dt { "openings of the model left" } dd { (openings) } }
                div { dt { "for gas" } dd { (status.balance.as_ref().map_or_else(none, |wei| amount(wei, None))) } }
                div { dt { "a job pays at least" } dd { (quote) } }
                @if let Some(at) = status.policy.read_at { div { dt { "policy read" } dd { (moment(at)) } } }
                @for earned in &snapshot.earned {
                    div {
                        dt { "earned by " (earned.jobs) " jobs" }
                        dd { (amount(&earned.amount, earned.token.as_deref())) }
                    }
                }
            }
        }
    }
}

fn jobs(jobs: &[JobView]) -> Markup {
    html! {
        section aria-labelledby="jobs" {
            h2 #jobs { "Jobs" }
            @if jobs.is_empty() {
                p { "None yet. A job is seen when somebody opens one in the escrow." }
            } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="jobs" {
                    table {
                        thead { tr { th { "job" } th { "pays" } th { "state" } th { "deadline" } th { "time" } } }
                        tbody {
                            @for job in jobs {
                                tr {
                                    td { a href={ "/jobs/" (job.id) } { (job.id) } }
                                    td { (amount(&job.price, job.token.as_deref())) }
                                    td { (state(&job.state)) " " (trouble(job)) }
                                    td { (moment(job.deadline)) }
                                    td { (bar(job)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What is wrong with a job that is not over, or why it was left alone.
fn trouble(job: &JobView) -> Markup {
    let text = match (job.state.as_str(), &job.last_error) {
        ("skipped" | "failed", _) => Some(&job.state_text),
        (_, Some(error)) if !job.settled => Some(error),
        _ => None,
    };
    html! { @if let Some(text) = text { span.small { (text) } } }
}

pub(super) fn job_facts(job: &JobView) -> Markup {
    html! {
        dl.figures {
            div { dt { "state" } dd { (state(&job.state)) } }
            div { dt { "pays" } dd { (amount(&job.price, job.token.as_deref())) } }
            div { dt { "deadline" } dd { (moment(job.deadline)) } }
            div { dt { "buyer" } dd { code { (job.buyer) } } }
            div { dt { "opened in block" } dd { (job.opened_in_block) } }
            div { dt { "claims signed" } dd { (job.claims) } }
            @if let (Some(transaction), Some(gas)) = (&job.transaction, job.gas_used) {
                div { dt { "paid by transaction" } dd { code { (transaction) } } }
                div { dt { "gas of the claim" } dd { (gas) } }
            }
        }
        @if matches!(job.state.as_str(), "skipped" | "failed") { p { (job.state_text) } }
        @if let Some(error) = &job.last_error { p.trouble { "Newest trouble: " (error) } }
    }
}

/// The states of a job as a list, with how long each took.
pub(super) fn timeline(job: &JobView) -> Markup {
    html! {
        (bar(job))
        ol.timeline {
            @for (step, seconds) in durations(&job.timeline) {
                li {
                    (state(&step.state)) " " (moment(step.at))
                    @if let Some(seconds) = seconds { span.small { " for " (span(seconds)) } }
                }
            }
        }
    }
}

/// The states of a job side by side, each as wide as it took.
fn bar(job: &JobView) -> Markup {
    let parts = durations(&job.timeline);
    let whole: u64 = parts.iter().filter_map(|(_, seconds)| *seconds).sum();
    let text = format!("{} from first to last state", span(whole));
    html! {
        svg.bar viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=(text) {
            @if whole == 0 {
                rect.(job.state) x="0" y="0" width="100" height="6" {}
            } @else {
                @for (name, left, width) in widths(&parts, whole) {
                    rect.(name) x=(left) y="0" width=(width) height="6" { title { (name) } }
                }
            }
        }
        span.small { (span(whole)) }
    }
}

/// Each state's name, where its part of the bar begins, and how wide it is, of 100.
fn widths<'a>(parts: &[(&'a StepView, Option<u64>)], whole: u64) -> Vec<(&'a str, f64, f64)> {
    let mut left = 0.0;
    let part = |(step, seconds): &(&'a StepView, Option<u64>)| {
        let width = 100.0 * seconds.unwrap_or(0) as f64 / whole as f64;
        let begins = left;
        left += width;
        (step.state.as_str(), begins, width)
    };
    parts.iter().map(part).collect()
}

/// Each state with the seconds to the next one; none for the last.
fn durations(steps: &[StepView]) -> Vec<(&StepView, Option<u64>)> {
    let next = steps.iter().skip(1).map(Some).chain(std::iter::once(None));
    let both = steps.iter().zip(next);
    both.map(|(step, next)| (step, next.map(|next| next.at.saturating_sub(step.at)))).collect()
}

fn duties(duties: &[DutyView]) -> Markup {
    html! {
        @if !duties.is_empty() {
            section aria-labelledby="duties" {
                h2 #duties { "Other duties" }
                table {
                    thead { tr { th { "what" } th { "state" } th { "transactions" } } }
                    tbody {
                        @for duty in duties {
                            tr {
                                td.small { (duty.what) }
                                td {
                                    (state(&duty.state)) " "
                                    @if let Some(error) = &duty.last_error { span.small { (error) } }
                                }
                                td { (duty.transactions) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn left_alone(left: &[LeftAloneView]) -> Markup {
    html! {
        @if !left.is_empty() {
            section aria-labelledby="left-alone" {
                h2 #left-alone { "Left alone" }
                table {
                    thead { tr { th { "what" } th { "why" } } }
                    tbody {
                        @for one in left {
                            tr { td.small { (one.what) } td.small { (one.reason) } }
                        }
                    }
                }
            }
        }
    }
}

fn nodes(status: &StatusView) -> Markup {
    html! {
        section aria-labelledby="nodes" {
            h2 #nodes { "Nodes" }
            table {
                thead { tr { th { "node" } th { "answered" } th { "failed" } th { "trouble" } } }
                tbody {
                    @for node in &status.nodes {
                        tr {
                            td { code { (node.node) } @if node.other_chain { " (another chain)" } }
                            td { (node.answered) }
                            td { (node.failed) }
                            td { (format!("{:.2}", node.trouble)) }
                        }
                    }
                }
            }
        }
    }
}

fn counts(status: &StatusView) -> Markup {
    html! {
        @if !status.counts.is_empty() {
            section aria-labelledby="counts" {
                h2 #counts { "Since the start" }
                dl.figures {
                    @for (what, count) in &status.counts {
                        div { dt { (what.replace('_', " ")) } dd { (count) } }
                    }
                }
            }
        }
    }
}

fn state(name: &str) -> Markup {
    let kind = match name {
        "confirmed" | "over" => "good",
        "failed" => "bad",
        "skipped" => "idle",
        _ => "busy",
    };
    html! { span.badge.(kind) { (name) } }
}

/// A moment, which the script writes in the reader's own time.
fn moment(unix: u64) -> Markup {
    html! { time data-unix=(unix) { "Unix time " (unix) } }
}

/// Seconds in words.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// An amount of a token's smallest unit; of the native currency in whole units, without a rounding.
fn amount(units: &str, token: Option<&str>) -> String {
    if let Some(token) = token {
        return format!("{units} units of {}", short(token));
    }
    let padded = format!("{units:0>width$}", width = ETHER_DIGITS + 1);
    let (whole, part) = padded.split_at(padded.len() - ETHER_DIGITS);
    match part.trim_end_matches('0') {
        "" => format!("{whole} ether"),
        part => format!("{whole}.{part} ether"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (wei, text) in [
            ("0", "0 ether"),
            ("1", "0.000000000000000001 ether"),
            ("50000000000000000", "0.05 ether"),
            ("12000000000000000000", "12 ether"),
        ] {
            assert_eq!(amount(wei, None), text);
        }
        let token = "0x00000000000000000000000000000000000000aB";
        assert_eq!(amount("7", Some(token)), "7 units of 0x000000…0000aB");
    }

    #[test]
    fn each_state_lasts_until_the_next() {
        let step = |state: &str, at| StepView { state: state.into(), at };
        let steps = [step("seen", 10), step("proving", 12), step("proven", 20)];
        let seconds: Vec<_> = durations(&steps).into_iter().map(|(_, seconds)| seconds).collect();
        assert_eq!(seconds, [Some(2), Some(8), None]);
        let widths = widths(&durations(&steps), 10);
        assert_eq!(widths, [("seen", 0.0, 20.0), ("proving", 20.0, 80.0), ("proven", 100.0, 0.0)]);
    }
}
