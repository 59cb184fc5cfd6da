//! The worked example of docs/collections.md, computed anew.

use super::*;
use assay_arithmetic::field::field_to_bytes;
use assay_arithmetic::poseidon::{hash_node, input_domain, leaf_domain, node_domain};

const DOCUMENT: &str = include_str!("../../../docs/collections.md");

fn word(value: Fr) -> String {
    format!("0x{}", hex::encode(field_to_bytes(&value)))
}

#[test]
fn the_documented_example_is_true() {
    let data = Dataset {
        inputs: (0..3).map(|i| (0..100).map(|j| (100 * i + j) as u8).collect()).collect(),
        labels: vec![7, 0, 2],
    };
    let seed = SaltSeed(std::array::from_fn(|i| i as u8));
    let set = Collection::commit(&data, [1, 10, 10], seed, None, &|| ()).expect("a collection");
    let leaves: Vec<Fr> = (0..3).map(|index| set.item(index).expect("an item").leaf()).collect();
    let nodes = [hash_node(leaves[0], leaves[1]), hash_node(leaves[2], Fr::zero())];
    assert_eq!(hash_node(nodes[0], nodes[1]), set.root());

    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("set");
    set.write(&path).expect("written");
    let file = hex::encode(std::fs::read(&path).expect("bytes"));
    let opening = OpeningFile::of(&set, 1).expect("an opening").to_json();

    let mut stated = vec![
        ("domain of a leaf", word(leaf_domain(100))),
        ("domain of a node", word(node_domain())),
        ("root", word(set.root())),
        ("left node", word(nodes[0])),
        ("right node", word(nodes[1])),
        ("opening", opening.trim_end().to_owned()),
        // Envelope and body up to the inputs, then the integrity hash.
        ("start of the set file", file[..2 * (56 + 60 + 12)].to_owned()),
        ("end of the set file", file[file.len() - 64..].to_owned()),
        ("length of the set file", format!("{} bytes", file.len() / 2)),
    ];
    stated.extend(leaves.iter().map(|leaf| ("leaf", word(*leaf))));
    stated.extend((0..3).map(|index| ("salt", word(seed.salt(index)))));
    stated.extend(pack_bytes(&data.inputs[0]).into_iter().map(|e| ("element", word(e))));
    // Lines are broken in the document.
    let document: String = DOCUMENT.split_whitespace().collect();
    for (what, value) in stated {
        let value: String = value.split_whitespace().collect();
        assert!(document.contains(&value), "{what} is {value}");
    }
    assert_ne!(leaf_domain(100), input_domain(100, 1));
}
