// threshold.h: compare each element with its channel's constants and count.
//
//     code of y = LO + number of k with x >= threshold[k], or with x < threshold[k] where it falls
//
// Word beat modulo DEPTH of rom has STEPS thresholds for each of ENTRIES elements; falls has a bit for
// each of them.
// C: X, Y, X_W, Y_W, LANES, BEATS, DEPTH, ENTRIES (LANES or 1), STEPS, T_B, T_SIGNED, LO.
#ifndef GS_THRESHOLD_H
#define GS_THRESHOLD_H

#include "types.h"

namespace gs {

template <class C, class T, int R, int K, class F, int KF>
void threshold(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
               const T (&rom)[R][K], const F (&falls)[R][KF]) {
#pragma HLS ARRAY_RESHAPE variable=rom complete dim=2
#pragma HLS ARRAY_RESHAPE variable=falls complete dim=2
    typedef typename Integers<C::T_B + 1>::s side_t;  // of a comparison
    typedef typename Integers<C::Y::BITS + 1>::s y_t;

    int word = 0;
    for (int beat = 0; beat < C::BEATS; beat++) {
#pragma HLS PIPELINE II=1
        typename C::X::code_t x[C::LANES];
#pragma HLS ARRAY_PARTITION variable=x complete
        side_t limit[C::ENTRIES * C::STEPS];
#pragma HLS ARRAY_PARTITION variable=limit complete
        ap_uint<1> fall[C::ENTRIES];
#pragma HLS ARRAY_PARTITION variable=fall complete
        y_t y[C::LANES];
#pragma HLS ARRAY_PARTITION variable=y complete
        unpack<typename C::X>(s.read(), x);
        fetch<C::T_B, C::T_SIGNED>(rom[word], limit);
        fetch<1, false>(falls[word], fall);
        for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
            const int entry = C::ENTRIES == 1 ? 0 : l;
            const side_t value = x[l];
            int reached = 0;
            for (int k = 0; k < C::STEPS; k++) {
#pragma HLS UNROLL
                reached += value >= limit[entry * C::STEPS + k];
            }
            y[l] = y_t(C::LO + (fall[entry] != 0 ? C::STEPS - reached : reached));
        }
        ap_uint<C::Y_W> out;
        pack<typename C::Y>(y, out);
        m.write(out);
        word = word == C::DEPTH - 1 ? 0 : word + 1;
    }
}

// One code only, whatever comes.
template <class C>
void threshold_none(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m) {
    typename C::Y::code_t y[C::LANES];
#pragma HLS ARRAY_PARTITION variable=y complete
    for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
        y[l] = typename C::Y::code_t(C::LO);
    }
    for (int beat = 0; beat < C::BEATS; beat++) {
#pragma HLS PIPELINE II=1
        s.read();
        ap_uint<C::Y_W> out;
        pack<typename C::Y>(y, out);
        m.write(out);
    }
}

}  // namespace gs

#endif
