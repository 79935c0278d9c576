// Simulation models of the cells that nextpnr-ecp5 makes: half a slice each, as it is configured.
//
// Yosys ships models too (ecp5/common_sim.vh), but there the carry does not leave the cell, and a
// flip-flop does not take its data from M. From the documentation of Project Trellis (PLC2, SLICE).
// Read with Yosys, in the place of those models; LUT4, LUT2, PFUMX and L6MUX21 are Yosys'.

module TRELLIS_COMB #(
    parameter MODE         = "LOGIC",
    parameter INITVAL      = 16'h0,
    parameter CCU2_INJECT1 = "NO",
    parameter WREMUX       = "WRE",
    parameter WCKMUX       = "WCK",
    parameter IS_Z1        = 1'b0    // which of its two multiplexers OFX is
) (
    input  A, B, C, D, M, FCI, F1, FXA, FXB,
    input  DI0, DI1, WD, WAD0, WAD1, WAD2, WAD3, WRE, WCK,
    output F, FCO, OFX
);

    wire [3:0] address = MODE == "DPRAM" ? {A, C, B, D} : {D, C, B, A};

    generate
        if (MODE == "DPRAM") begin : g_ram
            wire clk    = WCKMUX == "INV" ? !WCK : WCK;
            wire enable = WREMUX == "INV" ? !WRE : WRE;
            wire [15:0] written = 16'h1 << {WAD3, WAD2, WAD1, WAD0};
            reg  [15:0] ram = INITVAL;
            always @(posedge clk) if (enable) ram <= (ram & ~written) | (written & {16{WD}});
            assign F   = ram[address];
            assign FCO = 1'b0;
        end else if (MODE == "CCU2") begin : g_carry
            wire four = INITVAL[address];
            wire two  = CCU2_INJECT1 == "YES" ? 1'b0 : INITVAL[address[1:0]];
            assign F   = four ^ (CCU2_INJECT1 == "YES" ? 1'b0 : FCI);
            assign FCO = four ? FCI : two;
        end else begin : g_lut
            assign F   = INITVAL[address];
            assign FCO = 1'b0;
        end
    endgenerate

    assign OFX = IS_Z1 ? (M ? FXB : FXA) : (M ? F1 : F);

endmodule

// Write port of the RAM in the other half slices: it hands address and data on.
module TRELLIS_RAMW (
    input  A0, B0, C0, D0, A1, B1, C1, D1,
    output WDO0, WDO1, WDO2, WDO3, WADO0, WADO1, WADO2, WADO3
);

    assign {WADO3, WADO2, WADO1, WADO0} = {A0, C0, B0, D0};
    assign {WDO3, WDO2, WDO1, WDO0}     = {B1, D1, A1, C1};

endmodule

module TRELLIS_FF #(
    parameter GSR     = "ENABLED",
    parameter CEMUX   = "1",
    parameter CLKMUX  = "CLK",
    parameter LSRMUX  = "LSR",
    parameter SRMODE  = "LSR_OVER_CE",
    parameter REGSET  = "RESET",
    parameter LSRMODE = "LSR",
    parameter SD      = "1"            // data: 1 from DI, 0 from M
) (
    input      CLK, LSR, CE, DI, M,
    output reg Q
);

    wire clk   = CLKMUX == "INV" ? !CLK : CLK;
    wire reset = LSRMUX == "INV" ? !LSR : LSR;
    wire moves = CEMUX == "1" ? 1'b1 : CEMUX == "0" ? 1'b0 : CEMUX == "INV" ? !CE : CE;
    wire data  = SD == "0" ? M : DI;
    wire value = LSRMODE == "PRLD" ? M : REGSET == "SET";

    initial Q = REGSET == "SET";

    generate
        if (SRMODE == "ASYNC") begin : g_async
            always @(posedge clk, posedge reset) if (reset) Q <= value; else if (moves) Q <= data;
        end else begin : g_sync
            always @(posedge clk) if (reset) Q <= value; else if (moves) Q <= data;
        end
    endgenerate

endmodule
