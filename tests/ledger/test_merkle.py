"""Merkle trees: the values that RFC 6962's reference implementation tests with, and every proof in small trees."""

import pytest

from ledger.merkle import WrongPath, leaf_hash, path, root, root_from

# certificate-transparency, merkletree tests: the leaves, and the root of the first 1 to 8 of them.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(bytes.fromhex(content)) for content in INPUTS]


def test_roots_are_those_of_the_rfc() -> None:
    assert [root(LEAVES[:size]).hex() for size in range(1, 9)] == ROOTS
    assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 18))
def test_each_proof_leads_to_the_root_of_its_place_and_no_other(size: int) -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    for index in range(size):
        proof = path(leaves, index)
        assert root_from(leaves[index], index=index, size=size, path=proof) == root(leaves)
        assert root_from(leaf_hash(b"other"), index=index, size=size, path=proof) != root(leaves)
        for wrong in ([*proof, LEAVES[0]], proof[:-1]):
            if wrong != proof:
                with pytest.raises(WrongPath):
                    root_from(leaves[index], index=index, size=size, path=wrong)


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0)])
def test_a_place_outside_the_tree_proves_nothing(index: int, size: int) -> None:
    with pytest.raises(WrongPath):
        root_from(LEAVES[0], index=index, size=size, path=LEAVES[:2])


def test_a_node_cannot_be_passed_off_as_a_leaf() -> None:
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != root(LEAVES[:2])
