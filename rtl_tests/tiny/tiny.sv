// Hand-written core for the tests of the verifier: two stages, weights and thresholds in ROMs.
`default_nettype none

module tiny (
    input  wire        aclk,
    input  wire        aresetn,
    input  wire [63:0] s_axis_tdata,
    input  wire        s_axis_tvalid,
    output wire        s_axis_tready,
    input  wire        s_axis_tlast,
    output wire [15:0] m_axis_tdata,
    output wire        m_axis_tvalid,
    input  wire        m_axis_tready,
    output wire        m_axis_tlast,
    output reg         frame_error
);
    wire [71:0] scale_tdata;
    wire        scale_tvalid;
    wire        scale_tready;
    wire [15:0] act_tdata;
    wire        act_tvalid;
    wire        act_tready;

    tiny_scale scale (
        .clk          (aclk),
        .rst          (!aresetn),
        .s_axis_tdata (s_axis_tdata),
        .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(s_axis_tready),
        .m_axis_tdata (scale_tdata),
        .m_axis_tvalid(scale_tvalid),
        .m_axis_tready(scale_tready)
    );
    tiny_act act (
        .clk          (aclk),
        .rst          (!aresetn),
        .s_axis_tdata (scale_tdata),
        .s_axis_tvalid(scale_tvalid),
        .s_axis_tready(scale_tready),
        .m_axis_tdata (act_tdata),
        .m_axis_tvalid(act_tvalid),
        .m_axis_tready(act_tready)
    );

    reg [1:0] in_beat_q;
    reg [1:0] out_beat_q;
    assign m_axis_tdata  = act_tdata;
    assign m_axis_tvalid = act_tvalid;
    assign act_tready    = m_axis_tready;
    assign m_axis_tlast  = out_beat_q == 2'd3;

    always @(posedge aclk) begin
        if (s_axis_tvalid && s_axis_tready) begin
            in_beat_q   <= in_beat_q + 2'd1;
            frame_error <= frame_error || s_axis_tlast != (in_beat_q == 2'd3);
        end
        if (m_axis_tvalid && m_axis_tready) out_beat_q <= out_beat_q + 2'd1;
        if (!aresetn) begin
            in_beat_q   <= 2'd0;
            out_beat_q  <= 2'd0;
            frame_error <= 1'b0;
        end
    end
endmodule

`default_nettype wire
