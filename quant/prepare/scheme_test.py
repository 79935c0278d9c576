import pytest

from gatesmith.errors import UserError
from gatesmith.quant.prepare.scheme import Scheme


@pytest.mark.parametrize(
    ("text", "weight", "wanted"),
    [
        ("int8", True, {"kind": "int", "bits": 8, "per": "channel", "narrow": True}),
        ("int4:group=32", True, {"bits": 4, "per": "group", "group": 32}),
        (
            "int8:tensor:pow2scale:wide",
            True,
            {"per": "tensor", "pow2_scale": True, "narrow": False},
        ),
        ("bipolar", True, {"kind": "bipolar", "bits": 1}),
        ("ternary", True, {"kind": "ternary", "bits": 2, "two_scales": False}),
        ("ttq", True, {"kind": "ternary", "two_scales": True, "per": "tensor"}),
        ("pow2", True, {"kind": "pow2", "bits": 4, "terms": 1}),
        ("pow2x2-3", True, {"kind": "pow2", "bits": 3, "terms": 2}),
        ("codebook-20", True, {"kind": "codebook", "bits": 5, "entries": 20}),
        ("int8", False, {"signed": None, "per": "tensor", "narrow": False}),
        ("uint4:affine", False, {"signed": False, "affine": True}),
        ("uint1", False, {"bits": 1}),
    ],
)
def test_what_can_be_asked(text: str, weight: bool, wanted: dict[str, object]) -> None:
    scheme = Scheme.parse(text, weight=weight)
    assert {key: getattr(scheme, key) for key in wanted} == wanted
    assert str(scheme) == text


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("", True),
        ("float16", True),
        ("int1", True),
        ("int17", True),
        ("uint8", True),
        ("int8:affine", True),
        ("int8:group=0", True),
        ("int8:group=x", True),
        ("int8:", True),
        ("codebook-1", True),
        ("codebook-300", True),
        ("ttq:channel", True),
        ("pow2-9", True),
        ("pow2", False),
        ("ttq", False),
        ("ternary:affine", False),
        ("int8:channel", False),
        ("int\u0664", True),
    ],
)
def test_what_cannot(text: str, weight: bool) -> None:
    with pytest.raises(UserError) as found:
        Scheme.parse(text, weight=weight)
    assert found.value.code == "cli.scheme"
    option = "--weights" if weight else "--activations"
    assert found.value.where == f"{option} {text}"
