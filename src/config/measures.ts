import { z } from 'zod'

/** Kinds of numbers that settings are given in. */
export const positiveSeconds: z.ZodNumber = z.number().positive().max(86_400)
/** Some of the largest manifests: with less than that in hand, a gate would be too small for any. */
export const MIN_HELD_BYTES: number = 16 * 1024 * 1024
export const bytes: z.ZodNumber = z.number().int().positive()
