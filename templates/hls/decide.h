// decide.h: class of the best of a frame's scores, and whether it is ahead of the second best.
//
//     y = (class, code of best - code of second > MARGIN); of equal scores the lower index is the class
//
// C: X, Y, X_W, Y_W, LANES, GROUPS (beats), LOWEST (code that no score is below), MARGIN.
#ifndef GS_DECIDE_H
#define GS_DECIDE_H

#include "types.h"

namespace gs {

template <class C>
void decide(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m) {
    typedef typename Integers<C::X::BITS + 2>::s code_t;
    code_t best = code_t(C::LOWEST), second = code_t(C::LOWEST);
    int place = 0;
    for (int group = 0; group < C::GROUPS; group++) {
#pragma HLS PIPELINE II=1
        typename C::X::code_t x[C::LANES];
#pragma HLS ARRAY_PARTITION variable=x complete
        unpack<typename C::X>(s.read(), x);
        for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
            const code_t value = x[l];
            const int index = group * C::LANES + l;
            if (index == 0 || value > best) {
                second = index == 0 ? code_t(C::LOWEST) : best;
                best = value;
                place = index;
            } else if (value > second) {
                second = value;
            }
        }
    }
    const code_t lead = best - second;
    typename C::Y::code_t y[2];
#pragma HLS ARRAY_PARTITION variable=y complete
    y[0] = typename C::Y::code_t(place);
    y[1] = typename C::Y::code_t(s64(lead) > C::MARGIN);
    ap_uint<C::Y_W> out;
    pack<typename C::Y>(y, out);
    m.write(out);
}

}  // namespace gs

#endif
