from my_flows import Double, Scale

import invbench


def test_scale():
    invbench.check(Scale(4), budget="smoke").assert_sound()


def test_double():
    report = invbench.check(Double(), budget="smoke")
    report.assert_sound(expected={"double-precision": "its log 2 is a float32"})
