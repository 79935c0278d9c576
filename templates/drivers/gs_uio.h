/* A gatesmith core as a Linux UIO device: mapped registers, and its interrupt.
 *
 *     gs_uio uio;
 *     if (gs_uio_open(&uio, "/dev/uio0", TOP_SPAN) != 0) perror("uio");
 *     gs_open(&core, &TOP_info, gs_mmio_read, gs_mmio_write, uio.registers);
 *     gs_enable_interrupt(&core, 1);
 *     gs_uio_wait(&uio);       sleeps until a frame has left
 *     gs_acknowledge(&core);
 */
#ifndef GS_UIO_H
#define GS_UIO_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int file;
    void *registers;
    size_t span;
} gs_uio;

/* Map `span` bytes of a device. 0, or -1 with errno. */
int gs_uio_open(gs_uio *uio, const char *path, size_t span);

/* Sleep until the interrupt comes; 0, or -1 with errno. Acknowledge it then, by gs_acknowledge. */
int gs_uio_wait(gs_uio *uio);

/* Give the device back. */
void gs_uio_close(gs_uio *uio);

#endif
