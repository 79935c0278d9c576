// width_converter.h: the same elements in the same order, another number of lanes.
//
// Elements wait in a row of places. In each turn a beat is taken where fewer elements wait than leave
// together (to more lanes always), and one leaves where there are enough.
// C: E (Elem), X_W, Y_W, INS, OUTS (lanes), TURNS (beats on the narrower side).
#ifndef GS_WIDTH_CONVERTER_H
#define GS_WIDTH_CONVERTER_H

#include "types.h"

namespace gs {

template <class C>
void width_converter(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m) {
    typedef typename C::E::code_t code_t;
    const int places = C::INS + C::OUTS;
    code_t row[places];
#pragma HLS ARRAY_PARTITION variable=row complete
    int count = 0;
    for (int turn = 0; turn < C::TURNS; turn++) {
#pragma HLS PIPELINE II=1
        if (C::INS < C::OUTS || count < C::OUTS) {
            code_t x[C::INS];
#pragma HLS ARRAY_PARTITION variable=x complete
            unpack<typename C::E>(s.read(), x);
            for (int i = 0; i < C::INS; i++) {
#pragma HLS UNROLL
                row[count + i] = x[i];
            }
            count += C::INS;
        }
        if (count >= C::OUTS) {
            code_t y[C::OUTS];
#pragma HLS ARRAY_PARTITION variable=y complete
            for (int i = 0; i < C::OUTS; i++) {
#pragma HLS UNROLL
                y[i] = row[i];
            }
            ap_uint<C::Y_W> out;
            pack<typename C::E>(y, out);
            m.write(out);
            count -= C::OUTS;
            for (int i = 0; i < C::INS; i++) {
#pragma HLS UNROLL
                row[i] = row[i + C::OUTS];
            }
        }
    }
}

}  // namespace gs

#endif
