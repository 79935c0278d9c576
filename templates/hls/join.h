// join.h: a weighted sum of two streams, shifted and clamped.
//
//     y = clamp((code of a * mul_a + code of b * mul_b + add) >> SHIFT, LO, HI), as in requantize.h
//
// C: A, B, Y, A_W, B_W, Y_W, LANES, BEATS, DEPTH, P_B, MUL_A_B, MUL_B_B, ADD_B, MULS_A, MULS_B, ADDS
//    (LANES or 1), SHIFT, EVEN, LO, HI.
#ifndef GS_JOIN_H
#define GS_JOIN_H

#include "requantize.h"

namespace gs {

template <class C, class TA, int RA, int KA, class TB, int RB, int KB, class TC, int RC, int KC>
void join(hls::stream<ap_uint<C::A_W> >& s0, hls::stream<ap_uint<C::B_W> >& s1,
          hls::stream<ap_uint<C::Y_W> >& m, const TA (&muls_a)[RA][KA], const TB (&muls_b)[RB][KB],
          const TC (&adds)[RC][KC]) {
#pragma HLS ARRAY_RESHAPE variable=muls_a complete dim=2
#pragma HLS ARRAY_RESHAPE variable=muls_b complete dim=2
#pragma HLS ARRAY_RESHAPE variable=adds complete dim=2
    typedef typename Integers<C::P_B>::s sum_t;

    int word = 0;
    for (int beat = 0; beat < C::BEATS; beat++) {
#pragma HLS PIPELINE II=1
        typename C::A::code_t a[C::LANES];
#pragma HLS ARRAY_PARTITION variable=a complete
        typename C::B::code_t b[C::LANES];
#pragma HLS ARRAY_PARTITION variable=b complete
        sum_t mul_a[C::MULS_A], mul_b[C::MULS_B], add[C::ADDS], y[C::LANES];
#pragma HLS ARRAY_PARTITION variable=mul_a complete
#pragma HLS ARRAY_PARTITION variable=mul_b complete
#pragma HLS ARRAY_PARTITION variable=add complete
#pragma HLS ARRAY_PARTITION variable=y complete
        unpack<typename C::A>(s0.read(), a);
        unpack<typename C::B>(s1.read(), b);
        fetch<C::MUL_A_B, true>(muls_a[RA == 1 ? 0 : word], mul_a);
        fetch<C::MUL_B_B, true>(muls_b[RB == 1 ? 0 : word], mul_b);
        fetch<C::ADD_B, true>(adds[RC == 1 ? 0 : word], add);
        for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
            const sum_t left = sum_t(a[l]) * mul_a[C::MULS_A == 1 ? 0 : l];
            const sum_t right = sum_t(b[l]) * mul_b[C::MULS_B == 1 ? 0 : l];
            const sum_t total = left + right + add[C::ADDS == 1 ? 0 : l];
            y[l] = clamped(shifted<C::SHIFT, C::EVEN>(total), C::LO, C::HI);
        }
        ap_uint<C::Y_W> out;
        pack<typename C::Y>(y, out);
        m.write(out);
        word = word == C::DEPTH - 1 ? 0 : word + 1;
    }
}

}  // namespace gs

#endif
