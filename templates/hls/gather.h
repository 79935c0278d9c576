// gather.h: beats in another order, some more than once, some dropped, some filled.
//
// walk[n] is the place in the ring of the input beat that output beat n is, or -1 for one of FILL; needs[n] are the input beats
// that must have come then. Beats wait in a ring of DEPTH. In each turn a beat is taken where the next
// output needs it, and one leaves where its beat is there: nothing is taken early.
// C: X, Y, X_W, Y_W, LANES, INS, OUTS (beats), DEPTH, FILL (code).
#ifndef GS_GATHER_H
#define GS_GATHER_H

#include "recode.h"

namespace gs {

template <class C, class I>
void gather(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
            const I (&walk)[C::OUTS], const I (&needs)[C::OUTS]) {
    ap_uint<C::X_W> ring[C::DEPTH];
    typename C::Y::value_t filled[C::LANES];
#pragma HLS ARRAY_PARTITION variable=filled complete
    for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
        filled[l] = typename C::Y::value_t(C::FILL);
    }
    ap_uint<C::Y_W> fill;
    pack<typename C::Y>(filled, fill);

    const int most = C::INS + C::OUTS;  // turns: in each a beat is taken or given
    int taken = 0, given = 0, place = 0;
    for (int turn = 0; turn < most && (taken < C::INS || given < C::OUTS); turn++) {
#pragma HLS PIPELINE II=1
        const int need = given < C::OUTS ? int(needs[given]) : C::INS;
        if (taken < need) {
            ring[place] = s.read();
            place = place == C::DEPTH - 1 ? 0 : place + 1;
            taken++;
        }
        if (given < C::OUTS && taken >= need) {
            const int from = int(walk[given]);
            if (from < 0) {
                m.write(fill);
            } else {
                m.write(recoded<typename C::X, typename C::Y, C::LANES, C::Y_W>(ring[from]));
            }
            given++;
        }
    }
}

}  // namespace gs

#endif
