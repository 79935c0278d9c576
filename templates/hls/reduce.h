// reduce.h: sum, maximum or minimum over COUNT vectors, channel by channel.
//
// Codes are added and compared: those of a step of two are as far apart as their values.
// C: X, Y, X_W, Y_W, LANES, GROUPS (beats in a vector), COUNT, RESULTS (vectors that leave), KIND,
//    S_B (bits of a sum of codes, with a sign).
#ifndef GS_REDUCE_H
#define GS_REDUCE_H

#include "types.h"

namespace gs {

enum ReduceKind { SUM, LARGEST, SMALLEST };

template <class C>
void reduce(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m) {
    typedef typename Integers<C::S_B>::s sum_t;
    sum_t sums[C::GROUPS][C::LANES];
#pragma HLS ARRAY_PARTITION variable=sums complete dim=2

    for (int result = 0; result < C::RESULTS; result++) {
        for (int n = 0; n < C::COUNT; n++) {
            for (int group = 0; group < C::GROUPS; group++) {
#pragma HLS PIPELINE II=1
                typename C::X::code_t x[C::LANES];
#pragma HLS ARRAY_PARTITION variable=x complete
                sum_t next[C::LANES];
#pragma HLS ARRAY_PARTITION variable=next complete
                unpack<typename C::X>(s.read(), x);
                for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
                    const sum_t value = sum_t(x[l]);
                    const sum_t before = sums[group][l];
                    bool replaced = n == 0;
                    if (C::KIND == LARGEST) replaced = replaced || value > before;
                    if (C::KIND == SMALLEST) replaced = replaced || value < before;
                    const sum_t joined = C::KIND == SUM ? sum_t(before + value) : before;
                    next[l] = replaced ? value : joined;
                    sums[group][l] = next[l];
                }
                if (n == C::COUNT - 1) {
                    ap_uint<C::Y_W> out;
                    pack<typename C::Y>(next, out);
                    m.write(out);
                }
            }
        }
    }
}

}  // namespace gs

#endif
