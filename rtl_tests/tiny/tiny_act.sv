// y[c] = number of the 3 thresholds of channel c that x[c] reaches; x i9, y u2; 8 of 32 a beat.
`default_nettype none

module tiny_act (
    input  wire        clk,
    input  wire        rst,
    input  wire [71:0] s_axis_tdata,
    input  wire        s_axis_tvalid,
    output wire        s_axis_tready,
    output reg  [15:0] m_axis_tdata,
    output reg         m_axis_tvalid,
    input  wire        m_axis_tready
);
    reg [215:0] thresholds [0:3];
    initial $readmemh("act_thresholds.mem", thresholds);

    reg  [1:0]   beat_q;
    wire [215:0] row = thresholds[beat_q];
    wire [15:0]  y;

    genvar i;
    generate
        for (i = 0; i < 8; i = i + 1) begin : g_lane
            wire signed [8:0] x  = s_axis_tdata[9*i +: 9];
            wire signed [8:0] t0 = row[27*i +: 9];
            wire signed [8:0] t1 = row[27*i+9 +: 9];
            wire signed [8:0] t2 = row[27*i+18 +: 9];
            assign y[2*i +: 2] = {1'b0, x >= t0} + {1'b0, x >= t1} + {1'b0, x >= t2};
        end
    endgenerate

    assign s_axis_tready = !m_axis_tvalid || m_axis_tready;
    always @(posedge clk) begin
        if (s_axis_tready) begin
            m_axis_tvalid <= s_axis_tvalid;
            m_axis_tdata  <= y;
            if (s_axis_tvalid) beat_q <= beat_q + 2'd1;
        end
        if (rst) begin
            m_axis_tvalid <= 1'b0;
            beat_q        <= 2'd0;
        end
    end
endmodule

`default_nettype wire
