"""Names for the IR: Verilog identifiers made from whatever an ONNX file calls its nodes."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 64

# IEEE 1800-2017 Annex B, which contains every keyword of Verilog (IEEE 1364-2005).
_LISTED = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic
before begin bind bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle
checker class clocking cmos config const constraint context continue cover covergroup
coverpoint cross deassign default defparam design disable dist do edge else end endcase
endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface
endmodule endpackage endprimitive endprogram endproperty endspecify endsequence endtable
endtask enum event eventually expect export extends extern final first_match for force foreach
forever fork forkjoin function generate genvar global highz0 highz1 if iff ifnone ignore_bins
illegal_bins implements implies import incdir include initial inout input inside instance int
integer interconnect interface intersect join join_any join_none large let liblist library
local localparam logic longint macromodule matches medium modport module nand negedge nettype
new nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed parameter
pmos posedge primitive priority program property protected pull0 pull1 pulldown pullup
pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime
ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always
s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
signed small soft solve specify specparam static string strong strong0 strong1 struct super
supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time
timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef
union unique unique0 unsigned until until_with untyped use uwire var vectored virtual void wait
wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
"""
_KEYWORDS = frozenset(_LISTED.split())
_PORTS = frozenset({"clk", "rst", "aclk", "aresetn"})  # of every generated module


def identifier(text: str) -> str:
    """ASCII identifier that is no keyword, as like ``text`` as can be.

    >>> identifier("/layers.0/Gemm:1"), identifier("wire"), identifier("Größe 2"), identifier("层")
    ('layers_0_Gemm_1', 'wire_', 'Grosse_2', 'n')
    >>> identifier("37")
    'n37'
    """
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    ascii_only = plain.encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9]+", "_", ascii_only).strip("_")
    if len(name) > LONGEST:  # the end tells more: cut whole words off the front
        name = re.sub("^[0-9_]+", "", name[-LONGEST:].partition("_")[2]) or name[-LONGEST:]
    if not name or name[0].isdigit():
        name = f"n{name}"
    lower = name.lower()
    if lower in _KEYWORDS or lower in _PORTS:
        name += "_"
    return f"n_{name}" if lower.startswith(("s_axis", "m_axis")) else name


class Names:
    """Hands out identifiers, each once; they differ in more than case, as files must."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def fresh(self, text: str) -> str:
        """Identifier for ``text``, numbered when it was given out before.

        >>> names = Names()
        >>> names.fresh("a/b"), names.fresh("A:b"), names.fresh("a_b")
        ('a_b', 'A_b_2', 'a_b_3')
        """
        base = name = identifier(text)
        count = self._last.get(base.lower(), 1)  # a thousand nodes may have one name
        while name.lower() in self._taken:
            count += 1
            name = f"{base.rstrip('_')}_{count}"
        self._last[base.lower()] = count
        self._taken.add(name.lower())
        return name
