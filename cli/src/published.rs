//! A model, or what its seller has published of it: an architecture or a model card.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use assay_prover::{
    bundle::{Architecture, Bundle, architecture_from_json},
    model_card::ModelCard,
};
use clap::Args;
use serde::Deserialize;

/// A model, or the public part of one.
#[derive(Args, Clone)]
#[group(required = true, multiple = false)]
pub(crate) struct ModelSource {
    /// Model bundle (secret)
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Published architecture
    #[arg(long, value_name = "FILE")]
    pub architecture: Option<PathBuf>,
    /// Model card, which holds the architecture
    #[arg(long, value_name = "FILE")]
    pub card: Option<PathBuf>,
}

impl ModelSource {
    pub(crate) fn architecture(&self) -> Result<Architecture> {
        match (&self.bundle, &self.architecture, &self.card) {
            (Some(bundle), ..) => Ok(Bundle::read(bundle)?.architecture()),
            (None, Some(path), _) => read_architecture(path),
            (None, None, Some(card)) => Ok(ModelCard::read(card)?.0.architecture),
            (None, None, None) => bail!("give a bundle, an architecture or a model card"),
        }
    }

    /// The same, and how far outputs may be off, where bundle or card say it.
    pub(crate) fn architecture_and_bounds(&self) -> Result<(Architecture, Vec<f64>)> {
        if let Some(bundle) = &self.bundle {
            let bundle = Bundle::read(bundle)?;
            return Ok((bundle.architecture(), bundle.bounds));
        }
        if let Some(card) = &self.card {
            let card = ModelCard::read(card)?.0;
            return Ok((card.architecture, card.output.bounds));
        }
        Ok((self.architecture()?, Vec::new()))
    }
}

/// The architecture in a file, which may be a model card.
pub(crate) fn read_architecture(path: &Path) -> Result<Architecture> {
    if is_card(path)? {
        return Ok(ModelCard::read(path)?.0.architecture);
    }
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the architecture {}", path.display()))?;
    Ok(architecture_from_json(path, &text)?)
}

/// The same, and how far outputs may be off, where it is a card that says it.
pub(crate) fn read_architecture_and_bounds(path: &Path) -> Result<(Architecture, Vec<f64>)> {
    if is_card(path)? {
        let card = ModelCard::read(path)?.0;
        return Ok((card.architecture, card.output.bounds));
    }
    Ok((read_architecture(path)?, Vec::new()))
}

/// Whether a file says that it is a model card; other JSON is taken for an architecture.
pub(crate) fn is_card(path: &Path) -> Result<bool> {
    /// The one field that cards have and architectures do not.
    #[derive(Deserialize)]
    struct Format {
        format: Option<String>,
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let found: Format = serde_json::from_str(&text).with_context(|| {
        format!("{} is neither a model card nor an architecture", path.display())
    })?;
    Ok(found.format.is_some())
}
