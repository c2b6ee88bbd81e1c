import { z } from 'zod'

/** Kinds of numbers that settings are given in. */
export const positiveSeconds: z.ZodNumber = z.number().positive().max(86_400)
export const bytes: z.ZodNumber = z.number().int().positive()
