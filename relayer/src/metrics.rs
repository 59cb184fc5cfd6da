//! A status in OpenMetrics' text format, which Prometheus reads: families with a type and a help, values with labels, and
//! a last line that says that it is whole.

use std::fmt::{self, Write};

use crate::status::Status;

/// The metrics of a status.
pub fn text(status: &Status) -> String {
    let mut page = Page::default();
    // Writing to a text does not fail.
    let _ = write_all(&mut page, status);
    page.0 + "# EOF\n"
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) -> fmt::Result {
        writeln!(self.0, "# TYPE assay_relayer_{name} {kind}")?;
        writeln!(self.0, "# HELP assay_relayer_{name} {help}")
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Into<Option<f64>>) -> fmt::Result {
        let Some(value) = value.into() else {
            return Ok(());
        };
        self.family(name, "gauge", help)?;
        self.value(name, &[], value)
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> fmt::Result {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        writeln!(self.0, "assay_relayer_{name}{labels} {value}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn write_all(page: &mut Page, status: &Status) -> fmt::Result {
    let heads = status.heads;
    let (number, time) = ("Number of the newest block", "Time of the newest block, in seconds");
    page.gauge("head_block", number, heads.map(|heads| heads.newest.number as f64))?;
    page.gauge("head_time_seconds", time, heads.map(|heads| heads.newest.timestamp as f64))?;
    let help = "Number of the newest block that may end a job";
    page.gauge("confirmed_block", help, heads.map(|heads| heads.confirmed.number as f64))?;
    let help = "Seconds since a look at the chain went well";
    page.gauge("good_turn_age_seconds", help, status.seconds_since_good_turn().map(|s| s as f64))?;
    let help = "Seconds of the chain's time to the nearest deadline";
    page.gauge("least_slack_seconds", help, status.least_slack.map(|slack| slack as f64))?;
    let left = status.openings.map(|openings| openings.left as f64);
    page.gauge("openings_left", "Proofs of the model that can still be made", left)?;
    let budget = status.openings.map(|openings| openings.budget as f64);
    page.gauge("openings_budget", "Openings of the model in all", budget)?;
    let balance = status.balance.map(|balance| f64::from(balance) / 1e18);
    page.gauge("balance_ether", "Native currency of the signing account", balance)?;
    let running = status.proofs_running as f64;
    page.gauge("proofs_running", "Proofs that are being made", running)?;
    let help = "Proofs that wait in memory for room on the disk";
    page.gauge("unsaved_proofs", help, status.unsaved_proofs as f64)?;
    let help = "Jobs that the escrow counts and no node has shown";
    page.gauge("missing_jobs", help, status.missing_jobs as f64)?;
    let help = "Calls that the contracts leave to do now";
    page.gauge("duties_due", help, status.duties_due as f64)?;
    let help = "Those of them with a deadline that nothing here can do";
    page.gauge("duties_blocked", help, status.blocked_duties.len() as f64)?;
    let read_at = status.policy_read_at.map(|at| at as f64);
    page.gauge("policy_read_seconds", "When the policy that holds was read, Unix time", read_at)?;
    let refused = f64::from(u8::from(status.policy_trouble.is_some()));
    let help = "1 while what was read of a policy since does not hold, or only in part";
    page.gauge("policy_trouble", help, refused)?;
    let ready = f64::from(u8::from(status.obstacles().is_empty()));
    page.gauge("ready", "1 while nothing stands against work", ready)?;

    page.family("jobs", "gauge", "Jobs that are not settled, by state")?;
    for (state, count) in &status.jobs {
        page.value("jobs", &[("state", state)], *count as f64)?;
    }
    page.family(
        "node_trouble",
        "gauge",
        "0 for a node that answers; each failure adds 1, which fades",
    )?;
    for node in &status.nodes {
        page.value("node_trouble", &[("node", &node.node)], node.score)?;
    }
    page.family("node_requests", "counter", "Requests, by node and outcome")?;
    for node in &status.nodes {
        for (outcome, count) in [("answered", node.answered), ("failed", node.failed)] {
            let labels = [("node", node.node.as_str()), ("outcome", outcome)];
            page.value("node_requests_total", &labels, count as f64)?;
        }
    }
    page.family("happened", "counter", "Proofs, claims, and errors by their code")?;
    for (what, count) in &status.counts {
        page.value("happened_total", &[("what", what)], *count as f64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use assay_client::chain::NodeHealth;

    use super::*;

    #[test]
    fn nodes_are_told_apart() {
        let node = |name: &str| NodeHealth {
            node: name.into(),
            score: 0.25,
            answered: 7,
            failed: 1,
            other_chain: false,
        };
        let status = Status { nodes: vec![node("http://a"), node("b\"\\")], ..Status::default() };
        let text = text(&status);
        for line in [
            "assay_relayer_node_trouble{node=\"http://a\"} 0.25\n",
            "assay_relayer_node_requests_total{node=\"http://a\",outcome=\"answered\"} 7\n",
            "assay_relayer_node_requests_total{node=\"b\\\"\\\\\",outcome=\"failed\"} 1\n",
            "assay_relayer_ready 0\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(text.ends_with("# EOF\n") && !text.contains("openings"), "{text}");
    }
}
