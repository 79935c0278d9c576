"""Hostile numbers and texts to choose from."""

from __future__ import annotations

import math

EXTENTS = (
    0,
    -1,
    1,
    2,
    3,
    7,
    255,
    2**16,
    2**20,
    2**31 - 1,
    2**31,
    2**40,
    2**62,
    2**63 - 1,
    -(2**63),
)
INTS = (*EXTENTS, -2, -3, -(2**31), 1000, 4096)
FLOATS = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, math.nan, math.inf, -math.inf),
    *(1e-45, 1e-38, 3.4e38, -3.4e38, 1e-10, 1e10, 1 / 3, 2.0**-149, 2.0**100),
)

SPECS = (
    *("u8:1", "u8:1/255", "i8:1/128", "i4:0.5:3", "bipolar:1", "ternary:1/2", "u1:1", "u32:1"),
    *("u8", "", ":", "::", "u0:1", "i1:1", "u33:1", "u99:1", "f32:1", "u8:0", "u8:-1", "u8:nan"),
    *("u8:inf", "u8:1/0", "u8:1e999", "u8:1e-999", "u8:1:1:1", "u8:1:nan", "u8:1/3:1/7"),
    *("u8:" + "9" * 400, "u8:1/" + "9" * 5000, "u8:1:" + "1" * 5000, "u8:1e308", "u8:1e-308"),
    *("\x00u8:1", "u8:1\n", "ü8:1", "u٣:1", "{{ 7*7 }}", "u8:1;rm -rf /", "i32:1e-30:99999999"),
    *("i16:123456789/987654321:5/7", "u8:0x10", "u8:1_000", "u8: 1 / 2", "U8:1", "-1:1"),
)
"""Behind ``--input``; some are good."""

SYSTEM_VERILOG = (
    "x; endmodule module evil; initial $system(1); endmodule //",
    "a */ initial $finish; /*",
    '`include "/etc/passwd"',
    "`undef WIDTH",
    "\\escaped name ",
    "x\nmodule evil; endmodule\n//",
    "x\\\n y",
    "// synopsys translate_off",
    "/* verilator lint_off ALL */",
)
CPLUSPLUS = (
    '"; system("id"); //',
    "x??/\nint main(){}",
    "a\\",
    "*/ int evil = 1; /*",
    "#include </etc/passwd>",
    "%s%n%x",
)
MARKUP = (
    "<script>alert(1)</script>",
    "]]><evil/><![CDATA[",
    "&evil;&#0;&lt;",
    '" onload="alert(1)',
    "--><evil/><!--",
    "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
    "| a | b |\n|---|---|\n[x](javascript:alert(1))",
    "![x](http://example.com/x)",
    "[/bold] [red]x[/]",
    "[/nothing]",
)
SHELL = (
    "$(touch evil)",
    "`touch evil`",
    "; touch evil #",
    "$(shell touch evil)",
    "a: b\n\ttouch evil",
    "[exec touch evil]",
    "$env(HOME) ${x} {",
    "}; exec touch evil; {",
    "../../evil",
    "/etc/evil",
    "a/b/../../../evil",
    "-o",
    "--json",
)
TEMPLATES = (
    "{{ 7*7 }}",
    "{% for x in range(9) %}evil{% endfor %}",
    "{{ ''.__class__.__mro__ }}",
    "{# comment",
    "{% raw %}",
    "#} {{",
)
YAML = (
    "a: b",
    "- x",
    "!!python/object/apply:os.system ['id']",
    "&a *a",
    "'",
    '"',
    "key: |\n  evil",
)
UNICODE = (
    "",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\x00",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\u202egnp.exe",
    "\ufeffbom",
    "\u2028line",
    "层/卷积",
    "Größe",
    "\U0001f600",
    "e\u0301",
    "\ud7ff\ue000",
    "İı",
    "ﬁ",
    "Ⅷ",
    "x" * 70,
    "x" * 5_000,
    "x" * 300_000,
    "a/" * 500,
    "١٢٣",
)
WORDS = (
    *("module", "wire", "logic", "begin", "clk", "rst", "aclk", "s_axis_tdata", "m_axis", "int"),
    *("class", "template", "ap_int", "main", "std", "NULL", "true", "None", "con", "nul", "aux"),
    *("set", "proc", "all", "clean", "tb", "top", "bench", "files", "build", "fifo", "skid_buffer"),
    *("0", "1e5", "__", "_", "$", "a.b", "A", "a", "result", "data", "hw", "stage", "uint8_t"),
)
NAMES = (
    *SYSTEM_VERILOG,
    *CPLUSPLUS,
    *MARKUP,
    *SHELL,
    *TEMPLATES,
    *YAML,
    *UNICODE,
    *WORDS,
)
"""Names for nodes, tensors, graphs and files."""
