"""The example proves its layer, and the kit names the fault in the broken one."""

import re

import pytest

from examples.prove_a_layer import ForgottenFour, main
from n2nfun.testing import LAWS, Example, LawBroken


def test_the_fault_is_named_with_a_call_that_shows_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    main(max_examples=20)
    proved, *reports = capsys.readouterr().out.rstrip().split("\n\n")
    assert proved == "AveragePooling keeps every law."
    laws = [re.findall('"(.*)"', report)[0] for report in reports]
    assert {"adjoint", "derivative"} <= set(laws)
    derivative = reports[laws.index("derivative")]
    assert "  layer: ForgottenFour()\n" in derivative
    fault = re.search(r"  fault: dx\[\d+, 0, 0, 0\] is (\S+), expected (\S+), by central differences\n", derivative)
    assert fault is not None
    assert float(fault[1]) == 4 * float(fault[2])
    shown = re.search(r"LAWS\['derivative'\].once\(layer, Example\(shape=\((.*)\), seed=(\d+), dtype=", derivative)
    assert shown is not None
    shape = tuple(int(size) for size in shown[1].split(", "))
    with pytest.raises(LawBroken, match=re.escape(fault[0])):
        LAWS["derivative"].once(ForgottenFour(), Example(shape, int(shown[2])))
