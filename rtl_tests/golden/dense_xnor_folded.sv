// dense_xnor_folded: matrix-vector product, 70 inputs, 12 outputs.
//
//     y[o] = sum over i of w[o, i] * x[i]          x bipolar, w bipolar, y u7[-70..70 by 2]
//
// Both operands are bipolar and travel as one bit, so that y's code is the popcount of xnor(w, x).
// SIMD = 10 inputs of PE = 4 outputs a cycle: interval 21 cycles a frame of 1 vector(s);
// 6 cycles from a vector's last input to its first output when nothing stalls and the
// input comes no faster than it is used.
// From ONNX: /xnor_folded/MatMul
// Made by gatesmith from templates/sv/dense.sv.j2; change the template, not this file.

`default_nettype none

module dense_xnor_folded #(
    localparam int SIMD   = 10,  // inputs in a beat
    localparam int PE     = 4,  // outputs in a beat
    localparam int SF     = 7,  // beats in an input vector
    localparam int NF     = 3,  // beats in an output vector: passes over the input vector
    localparam int X_W    = 1,  // bits of an input
    localparam int W_W    = 1,  // bits of a weight
    localparam int TERM_W = 1,  // bits of a product
    localparam int ACC_W  = 7,  // bits of an output
    localparam int DELAY  = 4   // cycles from reading operands to their sum
) (
    input  wire logic                clk,
    input  wire logic                rst,            // synchronous, active high

    // x: AXI4-Stream, SIMD inputs a beat
    input  wire logic [SIMD*X_W-1:0] s_axis_tdata,
    input  wire logic                s_axis_tvalid,
    output wire logic                s_axis_tready,

    // y: AXI4-Stream, PE outputs a beat
    output wire logic [PE*ACC_W-1:0] m_axis_tdata,
    output wire logic                m_axis_tvalid,
    input  wire logic                m_axis_tready
);

    // The pipeline moves unless a finished sum would overwrite an output that is not taken yet.
    logic step;
    logic have;      // the next beat is there
    logic issue;     // it is read at this edge, with its weights
    logic finished;  // the last products of an output beat are in its sum

    logic [DELAY-1:0] valid_q;  // [0] is at the operands, [DELAY-1] at the sum
    logic             out_valid_q;

    assign issue = have && step;

    // ---- place in the vector ----------------------------------------------------------------

    logic [$clog2(SF)-1:0] sf_q;     // beat of the vector
    logic [DELAY-1:0]      first_q;  // beside valid_q: the first beat of a sum
    logic [DELAY-1:0]      last_q;   // and the last
    logic                  last_beat, first;

    assign last_beat = sf_q == ($clog2(SF))'(SF - 1);
    assign first     = first_q[DELAY-1];
    assign finished  = valid_q[DELAY-1] && last_q[DELAY-1];

    always_ff @(posedge clk) begin
        if (step) begin
            first_q <= DELAY'({first_q, sf_q == '0});
            last_q  <= DELAY'({last_q, last_beat});
        end
        if (issue) sf_q <= last_beat ? '0 : sf_q + 1'b1;
        if (rst) sf_q <= '0;
    end

    logic [$clog2(NF)-1:0] nf_q;  // pass over the vector
    logic                  last_pass;

    assign last_pass = nf_q == ($clog2(NF))'(NF - 1);

    always_ff @(posedge clk) begin
        if (issue && last_beat) nf_q <= last_pass ? '0 : nf_q + 1'b1;
        if (rst) nf_q <= '0;
    end

    // ---- inputs -----------------------------------------------------------------------------

    logic [SIMD*X_W-1:0] x_q;

    // A vector is read NF times: it waits here with the next one. A beat's place is free again
    // when its last pass has read it.
    localparam int KEEP = 2 * SF;

    logic [SIMD*X_W-1:0]     buffer [0:KEEP-1];
    logic [$clog2(KEEP)-1:0] write_q, read_q;
    logic [$clog2(KEEP):0]   held_q;   // beats that are in the buffer
    logic [$clog2(KEEP):0]   fresh_q;  // of these, the beats that no pass has read

    logic put, drop, first_use;

    assign put       = s_axis_tvalid && s_axis_tready;
    assign drop      = issue && last_pass;
    assign first_use = issue && nf_q == '0;

    assign s_axis_tready = held_q != ($clog2(KEEP) + 1)'(KEEP);
    assign have          = nf_q != '0 || fresh_q != '0;

    always_ff @(posedge clk) begin
        if (put) buffer[write_q] <= s_axis_tdata;
        if (step) x_q <= buffer[read_q];
    end

    always_ff @(posedge clk) begin
        held_q  <= held_q + ($clog2(KEEP) + 1)'(put) - ($clog2(KEEP) + 1)'(drop);
        fresh_q <= fresh_q + ($clog2(KEEP) + 1)'(put) - ($clog2(KEEP) + 1)'(first_use);
        if (put) write_q <= write_q == ($clog2(KEEP))'(KEEP - 1) ? '0 : write_q + 1'b1;
        if (issue) begin
            if (last_beat && !last_pass) read_q <= read_q - ($clog2(KEEP))'(SF - 1);
            else read_q <= read_q == ($clog2(KEEP))'(KEEP - 1) ? '0 : read_q + 1'b1;
        end
        if (rst) begin
            held_q  <= '0;
            fresh_q <= '0;
            write_q <= '0;
            read_q  <= '0;
        end
    end

    // ---- weights ----------------------------------------------------------------------------

    // Word nf * SF + sf; weight of output nf * PE + p and input sf * SIMD + s at bit (p * SIMD + s) * W_W.
    (* romstyle = "logic" *)
    logic [PE*SIMD*W_W-1:0] rom [0:SF*NF-1];
    wire logic [PE*SIMD*W_W-1:0] w_q;

    initial $readmemh("dense_xnor_folded_weights.mem", rom);

    logic [$clog2(SF*NF)-1:0] address_q;

    always_ff @(posedge clk) begin
        if (issue) address_q <= last_beat && last_pass ? '0 : address_q + 1'b1;
        if (rst) address_q <= '0;
    end

    // A weight and its product are one LUT: registered are the word's number and the products.
    logic [$clog2(NF*SF)-1:0] word_q;

    always_ff @(posedge clk) begin
        if (step) word_q <= ~address_q;  // inverted, lest it become a register of the ROM
    end

    assign w_q = rom[~word_q];

    // ---- products and their sums ------------------------------------------------------------

    wire logic [PE*ACC_W-1:0] sum;

    generate
        for (genvar p = 0; p < PE; p++) begin : g_pe
            logic [SIMD*W_W-1:0]    w;
            logic [SIMD*TERM_W-1:0] terms;

            assign w = w_q[p*SIMD*W_W+:SIMD*W_W];

            always_ff @(posedge clk) begin
                if (step) terms <= ~(w ^ x_q);
            end

            gs_adder_tree #(
                .TERMS(SIMD), .TERM_W(TERM_W), .SUM_W(ACC_W), .SIGNED(1'b0), .BY_SIX(1'b1)
            ) u_tree (
                .clk(clk), .step(step), .terms(terms), .sum(sum[p*ACC_W+:ACC_W])
            );
        end
    endgenerate

    // ---- accumulate and hand over -----------------------------------------------------------

    logic [PE*ACC_W-1:0] out_q;
    logic [PE*ACC_W-1:0] acc_q, total;

    always_comb begin
        for (int p = 0; p < PE; p++) begin
            total[p*ACC_W+:ACC_W] =
                (first ? '0 : acc_q[p*ACC_W+:ACC_W]) + sum[p*ACC_W+:ACC_W];
        end
    end

    always_ff @(posedge clk) begin
        if (step && valid_q[DELAY-1]) acc_q <= total;
    end

    always_ff @(posedge clk) begin
        if (step && finished) out_q <= total;

        if (step) valid_q <= DELAY'({valid_q, have});
        if (m_axis_tready) out_valid_q <= 1'b0;
        if (step && finished) out_valid_q <= 1'b1;
        // Data needs no reset: nobody reads it while its valid is low.
        if (rst) begin
            valid_q     <= '0;
            out_valid_q <= 1'b0;
        end
    end

    assign step          = !(finished && out_valid_q && !m_axis_tready);
    assign m_axis_tdata  = out_q;
    assign m_axis_tvalid = out_valid_q;

`ifdef GATESMITH_ASSERT
    m_axis_holds: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
    m_axis_empty: assert property (@(posedge clk) rst |=> !m_axis_tvalid);
    m_axis_waits: assert property (@(posedge clk) disable iff (rst)
        !step |=> $past(finished && m_axis_tvalid && !m_axis_tready));
`endif

endmodule

`default_nettype wire
