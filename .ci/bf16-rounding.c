/* Rounds an f32 to the nearest bf16, ties to even, as the compiler's runtime library does from GCC 13 on.
 *
 * A bf16 is returned in the lower 16 bits of the first vector register on x86-64, which is where a float is returned.
 */
#include <stdint.h>
#include <string.h>

float __truncsfbf2(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        bits = bits >> 16 | 0x40u; /* quiet NaN */
    else
        bits = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    memcpy(&value, &bits, sizeof bits);
    return value;
}
