// gs_ring: how much of a ring buffer is written and not yet free, for a reader in slots.
//
// A writer puts beats in order. A reader issues slots in order; each needs so many beats more than
// the one before it (need_step) and lets so many more places go (free_step), both 0 or more. The
// places of a slot's predecessors can be let go before the beats have come that belong there.
// ready and have come from flip-flops.

`default_nettype none

module gs_ring #(
    parameter int KEEP   = 2,  // places, in beats
    parameter int FIRST  = 1,  // beats that the first slot of all needs
    parameter int STEP_W = 4,  // bits of a step
    parameter int N_W    = 6   // bits of a count: from -(2**STEP_W - 1) - KEEP to KEEP
) (
    input  wire logic              clk,
    input  wire logic              rst,        // synchronous, active high

    input  wire logic              put,        // a beat is written at this edge
    output wire logic              ready,      // there is a place for it

    input  wire logic              issue,      // a slot is issued at this edge; of the next slot:
    input  wire logic [STEP_W-1:0] need_step,  // beats that it needs and this one does not
    input  wire logic [STEP_W-1:0] free_step,  // places that it lets go and this one does not
    output wire logic              have        // all that the slot needs was written
);

    // Bits of a count from -(2**STEP_W - 1) to KEEP.
    localparam int HAVE_W = 1 + (STEP_W > $clog2(KEEP + 1) ? STEP_W : $clog2(KEEP + 1));

    logic signed [HAVE_W-1:0] fresh_q;  // beats written - beats needed
    logic signed [N_W-1:0]    slack_q;  // beats written - places free - KEEP
    logic signed [HAVE_W-1:0] need;
    logic signed [N_W-1:0]    free;

    assign need = issue ? HAVE_W'(need_step) : '0;
    assign free = issue ? N_W'(free_step) : '0;

    always_ff @(posedge clk) begin
        fresh_q <= fresh_q + (put ? HAVE_W'(1) : '0) - need;
        slack_q <= slack_q + (put ? N_W'(1) : '0) - free;
        if (rst) begin
            fresh_q <= HAVE_W'(0 - FIRST);
            slack_q <= N_W'(0 - KEEP);
        end
    end

    assign have  = !fresh_q[HAVE_W-1];
    assign ready = slack_q[N_W-1];

endmodule

`default_nettype wire
