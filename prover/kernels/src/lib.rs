//! The prover's arithmetic over BN254: multi-exponentiations, transforms, sums of polynomials, programs
//! applied to many rows.
//!
//! Nothing here knows of circuits. Each routine is there twice behind one trait: portable ([`Scalar`]) and
//! with AVX-512 IFMA ([`Ifma`], eight elements at a time). [`kernels`] takes what the machine has;
//! `ASSAY_KERNELS=scalar` in the environment chooses the portable one, so that both can be tested anywhere.
//! Both give the same results, bit for bit.
//!
//! Scalars decide which bucket a point is added to and so which memory is read, as in every prover of this
//! kind: whoever shares the machine's caches may learn about them.

mod column;
mod field;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod multiexp;
mod program;
mod sums;
mod transform;
mod wide;
mod words;

use std::sync::OnceLock;

pub use column::Column;
#[cfg(target_arch = "x86_64")]
pub use ifma::Ifma;
pub use multiexp::{Bases, Exponentiation};
pub use program::{LinearForm, Node, Program, ProgramBuilder, Programs};
pub use sums::Sums;
pub use transform::{Domain, Parts, Transforms};

/// All routines.
pub trait Kernels:
    multiexp::Exponentiation
    + program::Programs
    + sums::Sums
    + transform::Transforms
    + std::fmt::Debug
    + Send
    + Sync
{
    /// The set of instructions, for reports.
    fn name(&self) -> &'static str;
}

/// The portable kernels.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

impl Kernels for Scalar {
    fn name(&self) -> &'static str {
        "portable"
    }
}

#[cfg(target_arch = "x86_64")]
impl Kernels for Ifma {
    fn name(&self) -> &'static str {
        "AVX-512 IFMA"
    }
}

/// The kernels that suit this machine, unless `ASSAY_KERNELS` is `scalar`.
pub fn kernels() -> &'static dyn Kernels {
    static KERNELS: OnceLock<&'static dyn Kernels> = OnceLock::new();
    *KERNELS.get_or_init(|| {
        let portable = std::env::var_os("ASSAY_KERNELS").is_some_and(|name| name == "scalar");
        if portable { &Scalar } else { all_kernels()[0] }
    })
}

/// Every set of kernels that this machine can run, the fastest first.
pub fn all_kernels() -> &'static [&'static dyn Kernels] {
    static ALL: OnceLock<Vec<&'static dyn Kernels>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<&'static dyn Kernels> = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if let Some(ifma) = Ifma::detect() {
            all.push(Box::leak(Box::new(ifma)));
        }
        all.push(&Scalar);
        all
    })
}
