//! What entries look like.

use alloy::primitives::{B256, U256};

use crate::{
    job::PredictionJob,
    store::entries::{self, encode},
};

fn decode_job(text: &str) -> PredictionJob {
    entries::decode_job(U256::ONE, text).unwrap()
}

/// A job as it lies on disk, with a state in place of STATE.
const STORED_JOB: &str = concat!(
    r#"{"terms":{"job_id":"0x1","model_id":"0x2","model":{"vk_hash":"#,
    r#""0x0000000000000000000000000000000000000000000000000000000000000003","model_hash":"#,
    r#""0x0000000000000000000000000000000000000000000000000000000000000004"},"binding_hash":"#,
    r#""0x0000000000000000000000000000000000000000000000000000000000000005","buyer":"#,
    r#""0x0000000000000000000000000000000000000006","token":"#,
    r#""0x0000000000000000000000000000000000000007","price":"0x8","deadline":9,"notice":0,"callback_gas":0,"#,
    r#""input_commitment":"0xa","hint":"0x0b"},"opened_in":{"number":12,"hash":"#,
    r#""0x000000000000000000000000000000000000000000000000000000000000000d","timestamp":14},"#,
    r#""state":STATE,"claims":[{"hash":"#,
    r#""0x000000000000000000000000000000000000000000000000000000000000000f","from":"#,
    r#""0x0000000000000000000000000000000000000010","nonce":17,"gas_limit":18,"#,
    r#""max_fee_per_gas":19,"max_priority_fee_per_gas":20,"raw":"0x15"}],"cancellations":[],"#,
    r#""paid_in":{"transaction":"#,
    r#""0x0000000000000000000000000000000000000000000000000000000000000016","block":{"number":23,"#,
    r#""hash":"0x0000000000000000000000000000000000000000000000000000000000000018","#,
    r#""timestamp":25}},"ended_in":{"reason":{"kind":"refunded"},"block":{"number":30,"hash":"#,
    r#""0x000000000000000000000000000000000000000000000000000000000000001f","timestamp":32}},"#,
    r#""attempts":26,"failed_proofs":27,"claims_before_retry":33,"last_error":"why","#,
    r#""updated_at":29,"history":[{"state":"seen","at":34}]}"#,
);

/// Stores of earlier versions are on disks out there.
#[test]
fn stored_jobs_stay_readable() {
    let hash = format!("{:?}", B256::with_last_byte(1));
    let states = [
        r#"{"name":"seen"}"#.to_owned(),
        r#"{"name":"proving"}"#.to_owned(),
        r#"{"name":"proven"}"#.to_owned(),
        r#"{"name":"submitting"}"#.to_owned(),
        r#"{"name":"submitted"}"#.to_owned(),
        format!(
            r#"{{"name":"confirmed","transaction":"{hash}","block":2,"block_hash":"{hash}","gas_used":3}}"#
        ),
        format!(
            r#"{{"name":"skipped","reason":{{"kind":"unknown_model","model":{{"vk_hash":"{hash}","model_hash":"{hash}"}}}}}}"#
        ),
        r#"{"name":"skipped","reason":{"kind":"expired","deadline":4,"now":5}}"#.to_owned(),
        r#"{"name":"skipped","reason":{"kind":"price_too_low","price":"0x6","minimum":"0x7"}}"#
            .to_owned(),
        r#"{"name":"skipped","reason":{"kind":"token_not_accepted","token":"0x0000000000000000000000000000000000000008"}}"#.to_owned(),
        r#"{"name":"skipped","reason":{"kind":"claimed_by_other","recipient":"0x0000000000000000000000000000000000000009"}}"#.to_owned(),
        r#"{"name":"skipped","reason":{"kind":"refunded"}}"#.to_owned(),
        r#"{"name":"skipped","reason":{"kind":"reorged"}}"#.to_owned(),
        r#"{"name":"failed","reason":"it was hopeless"}"#.to_owned(),
    ];
    for state in states {
        let stored = STORED_JOB.replace("STATE", &state);
        let job = decode_job(&stored);
        assert_eq!(encode(&job).unwrap(), stored);
    }
    // Without what was added since, and with what was taken away.
    let state = r#"{"name":"seen"}"#;
    let ended = STORED_JOB.find(r#""ended_in""#).unwrap();
    let attempts = STORED_JOB.find(r#""attempts""#).unwrap();
    let older = [&STORED_JOB[..ended], &STORED_JOB[attempts..]].concat();
    let older = older.replace(r#""claims_before_retry":33"#, r#""not_before":28"#);
    let older = older.replace(r#""notice":0,"callback_gas":0,"#, "");
    let older = older.replace(r#","history":[{"state":"seen","at":34}]"#, "");
    let job = decode_job(&older.replace("STATE", state));
    assert_eq!((job.ended_in, job.claims_before_retry, job.attempts), (None, 0, 26));
}
