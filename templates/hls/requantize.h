// requantize.h: multiply, add, shift, clamp, element by element.
//
//     y = clamp((code of x * mul + add) >> SHIFT, LO, HI), a tie to even where EVEN
//
// Word beat modulo DEPTH of a memory has a constant for each lane, or one for all lanes and beats.
// C: X, Y, X_W, Y_W, LANES, BEATS, DEPTH, P_B (bits of the sum), MUL_B, ADD_B, MULS and ADDS (LANES or
//    1), SHIFT, EVEN, LO, HI.
#ifndef GS_REQUANTIZE_H
#define GS_REQUANTIZE_H

#include "types.h"

namespace gs {

// The shifted sum; half was added, so a tie ends in zeros.
template <int SHIFT, bool EVEN, class P>
P shifted(P total) {
#pragma HLS INLINE
    const P quotient = total >> SHIFT;
    const bool tie = EVEN && P(total & P((1LL << SHIFT) - 1)) == 0;
    const P even = quotient & P(~1);
    return tie ? even : quotient;
}

template <class P>
P clamped(P value, s64 lo, s64 hi) {
#pragma HLS INLINE
    const P low = P(lo), high = P(hi);
    const P above = value < low ? low : value;
    return above > high ? high : above;
}

template <class C, class M, int RM, int KM, class A, int RA, int KA>
void requantize(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
                const M (&muls)[RM][KM], const A (&adds)[RA][KA]) {
#pragma HLS ARRAY_RESHAPE variable=muls complete dim=2
#pragma HLS ARRAY_RESHAPE variable=adds complete dim=2
    typedef typename Integers<C::P_B>::s sum_t;

    int word = 0;
    for (int beat = 0; beat < C::BEATS; beat++) {
#pragma HLS PIPELINE II=1
        typename C::X::code_t x[C::LANES];
#pragma HLS ARRAY_PARTITION variable=x complete
        sum_t mul[C::MULS], add[C::ADDS], y[C::LANES];
#pragma HLS ARRAY_PARTITION variable=mul complete
#pragma HLS ARRAY_PARTITION variable=add complete
#pragma HLS ARRAY_PARTITION variable=y complete
        unpack<typename C::X>(s.read(), x);
        fetch<C::MUL_B, true>(muls[RM == 1 ? 0 : word], mul);
        fetch<C::ADD_B, true>(adds[RA == 1 ? 0 : word], add);
        for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
            const sum_t total = sum_t(x[l]) * mul[C::MULS == 1 ? 0 : l] + add[C::ADDS == 1 ? 0 : l];
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
