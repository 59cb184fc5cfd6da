//! What to do about reverts whose names do not say it.

/// Errors by name.
pub(super) const HINTS: &[(&str, &str)] = &[
    // Models
    (
        "DevSetupRefused",
        "the setup of the model's key is of no ceremony that the registry knows, and this contract admits no \
         others; use a model with the parameters of a ceremony, or on a development chain contracts of \
         `assay deploy --allow-dev-setup`",
    ),
    (
        "WrongStatement",
        "the model's key proves another statement than this contract pays for; `assay model derive` makes a \
         bundle of the same model for another statement",
    ),
    (
        "BatchMismatch",
        "the model's key is for runs of another length; name the length that `assay model show` shows",
    ),
    (
        "GeneratorMismatch",
        "the key's first point of G2 is not the generator, so its setup says nothing; do not use it",
    ),
    (
        "UnknownKeyFormat",
        "the key was made by another version of this program; make it again with `assay keygen`",
    ),
    ("AlreadyRegistered", "this account has registered the model before; use the id that is shown"),
    (
        "GasTooLow",
        "the verifier may have run short of gas, which says nothing of the proof; send more gas",
    ),
    ("DeprecatedModel", "its owner has withdrawn the model from new business; use another one"),
    ("NotBound", "the model has no verifier; `assay model register` registers it with one"),
    (
        "NotCancellable",
        "it was opened without a notice; its price comes back after the deadline, if nobody claims it",
    ),
    (
        "CallbackGasTooLow",
        "the buyer's contract was promised gas to be told of the answer; send more gas",
    ),
    (
        "BindingMismatch",
        "the model is not bound to the contracts that were agreed on; look at the model before you go on",
    ),
    (
        "ModelHashMismatch",
        "the proof is of another model; prove with the bundle that was registered",
    ),
    (
        "ProofInvalid",
        "the proof is for another job, recipient, input or model, or damaged; make it again for this one",
    ),
    // Money
    (
        "WrongTokenAmount",
        "the token takes a fee or changes balances by itself; such tokens are not taken",
    ),
    ("InsufficientCredit", "less than that is credited to this account here; withdraw less"),
    // Jobs
    ("JobNotOpen", "the job has ended: it was paid, or given back"),
    (
        "DeadlinePassed",
        "it is too late for this step; look which step the deadlines leave, such as settling or a refund",
    ),
    (
        "DeadlineNotPassed",
        "the other side still has time; try again after the deadline (Unix time)",
    ),
    (
        "DeadlineOutOfRange",
        "the deadline is past, too soon after the one before, or too far away; give another number of \
         seconds",
    ),
    ("WrongCaller", "this step belongs to the account named first; sign with its key"),
    ("WrongJobState", "the job is at another step; `show` tells which"),
    // Audits and retrievals
    (
        "Undecided",
        "proofs or answers that matter may still come; try again when they are in, or after the deadlines",
    ),
    (
        "KeyNotAdmitted",
        "the buyer admits other verifying keys and verifiers; enter a model of an architecture and a \
         build that it lists",
    ),
    (
        "BondBelowFees",
        "the buyer puts up an abort fee for each entry that the job takes; give a higher --bond",
    ),
    ("SellerNotNamed", "the buyer names the sellers of this job, and this account is none of them"),
    ("AlreadyEntered", "a named seller enters once; go on with the entry that is there"),
    ("ApprovedOutOfRange", "approve of one entry at least; `decline` turns all of them away"),
    ("BondReturned", "the bond was returned already; look at the buyer's credit"),
    (
        "ClaimOutOfRange",
        "claim what the model classifies correctly; with fewer than the job requires, give the entry up",
    ),
    ("EntriesFull", "the job takes no more sellers; look for another one"),
    (
        "EntriesOpen",
        "sellers may still enter; deliver after the time for entering, or when the job is full",
    ),
    ("NoEntries", "nobody has entered; there is nobody to deliver to"),
    ("SameBlock", "a seller entered in this very block; try again in the next one"),
    (
        "EntriesMismatch",
        "other sellers have entered since; look at the entries again before you deliver",
    ),
    ("WrongEntryState", "the entry is at another step; `show` tells which"),
    ("EntryEnded", "the entry is settled already; there is nothing left to do"),
    ("NotCertifiable", "the entry has no full result, or has not ended yet"),
    ("NotCovered", "hand in the proofs of all runs first"),
    ("RunAlreadyProven", "this run is done; go on with the others"),
    // Services
    ("ServiceExists", "give another --salt to open a second service of the same terms"),
    ("ServiceNotActive", "the provider has given notice; take another service"),
    ("ServiceNotClosing", "give notice first"),
    ("NoticeNotPassed", "the notice period is not over; try again then (Unix time)"),
    ("BatchesOpen", "end the open batches first: settle, or prove what was contested"),
    (
        "BondTooSmall",
        "the free part of the provider's bond does not cover one more batch; it can top up the bond",
    ),
    ("NotServiceProvider", "sign with the key of the account that opened the service"),
    ("NotBatchBuyer", "the receipt names another buyer; sign with the key of that account"),
    ("BatchNotPosted", "contested items are still to be proven, or the batch has ended"),
    ("BatchNotContested", "the batch was not contested, or has ended"),
    ("ReceiptUsed", "the receipt was posted already; every batch needs one of its own"),
    ("ReceiptExpired", "ask the provider for a new receipt"),
    ("SignatureRejected", "the receipt was not signed by the service's signer; ask for a new one"),
    ("ItemsNotAscending", "name each item once, the lowest index first"),
];

pub(super) fn hint(name: &str) -> Option<&'static str> {
    HINTS.iter().find(|(error, _)| *error == name).map(|(_, hint)| *hint)
}
