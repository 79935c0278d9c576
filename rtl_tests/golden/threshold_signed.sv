// threshold_signed: i8 -> i2, 3 threshold(s) for each of 10 channels.
//
//     n = number of k with x >= threshold[k]
//     y = LO + STEP * n, or LO + STEP * (steps - n) where a channel falls
//
// Compared are the codes on the wires. 5 element(s) a beat, one beat a cycle, latency 3.
// From ONNX: /signed
// Made by gatesmith from templates/sv/threshold.sv.j2; change the template, not this file.

`default_nettype none

module threshold_signed #(
    localparam int LANES   = 5,  // elements in a beat
    localparam int STEPS   = 3,  // thresholds of an element
    localparam int T_W     = 9,  // bits compared
    localparam int R_W     = 28,  // bits of the constants of an element
    localparam int DEPTH   = 2,  // beats until the thresholds repeat
    localparam int ENTRIES = 5,  // elements with thresholds of their own in a word
    localparam int X_W     = 8,
    localparam int Y_W     = 2,
    localparam logic [Y_W-1:0] Y_LO = 2'd2  // code of LO
) (
    input  wire logic                 clk,
    input  wire logic                 rst,            // synchronous, active high

    // x: AXI4-Stream
    input  wire logic [LANES*X_W-1:0] s_axis_tdata,
    input  wire logic                 s_axis_tvalid,
    output wire logic                 s_axis_tready,

    // y: AXI4-Stream
    output wire logic [LANES*Y_W-1:0] m_axis_tdata,
    output wire logic                 m_axis_tvalid,
    input  wire logic                 m_axis_tready
);

    localparam int DELAY = 3;

    logic             step;  // the whole pipeline moves: its output is empty, or taken now
    logic [DELAY-1:0] valid_q;

    assign step = !valid_q[DELAY-1] || m_axis_tready;

    always_ff @(posedge clk) begin
        if (step) valid_q <= DELAY'({valid_q, s_axis_tvalid});
        if (rst) valid_q <= '0;
    end

    // ---- thresholds -------------------------------------------------------------------------

    // Word: beat of the vector. Threshold k of element l at bit l * R_W + k * T_W, above them 1 where
    // the channel falls.
    logic [ENTRIES*R_W-1:0] rom [0:DEPTH-1];
    logic [ENTRIES*R_W-1:0] word;
    logic [LANES*X_W-1:0]   x;

    initial $readmemh("threshold_signed_thresholds.mem", rom);

    logic [$clog2(DEPTH)-1:0] address_q;

    always_ff @(posedge clk) begin
        if (step) word <= rom[address_q];
        if (step) x <= s_axis_tdata;
        if (step && s_axis_tvalid) begin
            address_q <= address_q == ($clog2(DEPTH))'(DEPTH - 1) ? '0 : address_q + 1'b1;
        end
        if (rst) address_q <= '0;
    end

    // ---- compare and count ------------------------------------------------------------------

    generate
        for (genvar l = 0; l < LANES; l++) begin : g_lane
            localparam int ENTRY = l;
            logic [T_W-1:0]      x_wide;
            logic [STEPS-1:0]    hit_q;
            wire logic [Y_W-1:0] count;

            assign x_wide = T_W'($signed(x[l*X_W+:X_W]));

            always_ff @(posedge clk) begin
                if (step) begin
                    for (int k = 0; k < STEPS; k++) begin
                        hit_q[k] <= ($signed(x_wide) >= $signed(word[ENTRY*R_W+k*T_W+:T_W])) ^ word[ENTRY*R_W+STEPS*T_W];
                    end
                end
            end

            gs_adder_tree #(.TERMS(STEPS), .TERM_W(1), .SUM_W(Y_W), .SIGNED(1'b0)) u_count (
                .clk(clk), .step(step), .terms(hit_q), .sum(count)
            );

            assign m_axis_tdata[l*Y_W+:Y_W] = Y_LO + count;
        end
    endgenerate

    assign s_axis_tready = step;
    assign m_axis_tvalid = valid_q[DELAY-1];

`ifdef GATESMITH_ASSERT
    m_axis_holds: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
    m_axis_empty: assert property (@(posedge clk) rst |=> !m_axis_tvalid);
    m_axis_waits: assert property (@(posedge clk) disable iff (rst)
        !step |=> $past(m_axis_tvalid && !m_axis_tready));
`endif

endmodule

`default_nettype wire
