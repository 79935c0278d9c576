// window_parallel.h: as window.h, all taps of a beat's channels at once.
//
// The reader goes along a row of positions column by column, from the first column of the first window
// to the last column of the last. In a turn it reads one beat of all kernel rows of its column and
// shifts them through registers that reach back over the kernel's width; the last tap is the new one.
// C: as in window.h, GROUPS = PIXEL.
#ifndef GS_WINDOW_PARALLEL_H
#define GS_WINDOW_PARALLEL_H

#include "window.h"

namespace gs {

template <class C, class T, int R, int K>
void window_parallel(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
                     const T (&fill)[R][K]) {
    typedef ap_uint<Map<C>::TAP_W> tap_t;
    const int reach = (C::KW - 1) * C::DW + 1;  // columns of a window
    const int columns = (C::OUT_W - 1) * C::SW + reach;
    const int total = C::H * Map<C>::LINE;
    ap_uint<C::X_W> rows[C::ROWS][Map<C>::LINE];
#pragma HLS ARRAY_PARTITION variable=rows complete dim=1
    tap_t behind[C::KH][reach][C::PIXEL];  // [..][0] is the newest column
#pragma HLS ARRAY_PARTITION variable=behind complete dim=1
#pragma HLS ARRAY_PARTITION variable=behind complete dim=2
    const int most = C::OUT_H * columns * C::PIXEL + total;  // turns
    int taken = 0, row_in = 0, at_in = 0;
    int first = Map<C>::FIRST;  // row of the buffer of the first tap row

    int out_row = 0, column = 0, beat = 0;
    for (int turn = 0; turn < most && (taken < total || out_row < C::OUT_H); turn++) {
#pragma HLS PIPELINE II=1
        const int col = column - C::LEFT;
        const bool col_inside = col >= 0 && col < C::W;
        int newest = out_row * C::SH - C::TOP + (C::KH - 1) * C::DH;  // of the rows that are in the map
        for (int i = 0; i < C::KH; i++) {
#pragma HLS UNROLL
            if (newest >= C::H) newest -= C::DH;
        }
        const bool reads = col_inside && newest >= 0 && newest < C::H;
        const int place = col * C::PIXEL + beat;
        const int need = out_row == C::OUT_H ? total : reads ? newest * Map<C>::LINE + place + 1 : 0;
        if (taken < need) {
            rows[row_in][at_in] = s.read();
            taken++;
            if (at_in == Map<C>::LINE - 1) {
                at_in = 0;
                row_in = row_in == C::ROWS - 1 ? 0 : row_in + 1;
            } else {
                at_in++;
            }
        }
        if (out_row < C::OUT_H && taken >= need) {
            const tap_t outside = filling<C>(fill, beat);
            ap_uint<C::Y_W> out = 0;
            for (int i = 0; i < C::KH; i++) {
#pragma HLS UNROLL
                const int row = out_row * C::SH - C::TOP + i * C::DH;
                for (int j = reach - 1; j > 0; j--) {
#pragma HLS UNROLL
                    behind[i][j][beat] = behind[i][j - 1][beat];
                }
                if (col_inside && row >= 0 && row < C::H) {
                    behind[i][0][beat] = recoded<typename C::X, typename C::Y, C::LANES, Map<C>::TAP_W>(rows[around<C::ROWS>(first + i * C::DH % C::ROWS)][place]);
                } else {
                    behind[i][0][beat] = outside;
                }
                for (int j = 0; j < C::KW; j++) {
#pragma HLS UNROLL
                    const int tap = i * C::KW + j;
                    out.range((tap + 1) * Map<C>::TAP_W - 1, tap * Map<C>::TAP_W) = behind[i][reach - 1 - j * C::DW][beat];
                }
            }
            if (column >= reach - 1 && (column - (reach - 1)) % C::SW == 0) m.write(out);
            if (++beat == C::PIXEL) {
                beat = 0;
                if (++column == columns) {
                    column = 0;
                    out_row++;
                    first = around<C::ROWS>(first + C::SH % C::ROWS);
                }
            }
        }
    }
}

}  // namespace gs

#endif
