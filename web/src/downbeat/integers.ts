/** Whole numbers beyond 53 bits, as the server's arithmetic needs them. */

/** `numerator / denominator` to the nearest integer, halves upwards; the denominator is positive. */
export function roundDiv(numerator: bigint, denominator: bigint): bigint {
  return floorDiv(2n * numerator + denominator, 2n * denominator);
}

function floorDiv(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  return numerator % denominator < 0n ? quotient - 1n : quotient;
}
