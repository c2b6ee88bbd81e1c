import { z } from 'zod'
import { parseRegistryHost, repositoryOf } from '../reference/repository.ts'
import { isScope } from '../reference/scope.ts'

/** The names of the field, as settings. */

export const registryHost = z.string().transform((text, context) => {
  const host = parseRegistryHost(text)
  if (host !== undefined) return host
  context.addIssue({
    code: 'custom',
    message: `${JSON.stringify(text)} is not a registry's host name (host or host:port)`,
  })
  return z.NEVER
})

export const scope = z.string().refine(isScope, {
  message: 'expected a host, a repository or the beginning of one, repository:tag or repository@digest, in lower case',
})

export const repositoryText = z.string().transform((text, context) => {
  const slash = text.indexOf('/')
  const host = slash === -1 ? undefined : parseRegistryHost(text.slice(0, slash))
  const repository = host && repositoryOf(host, text.slice(slash + 1))
  if (repository !== undefined) return repository
  const message = `expected host/repository without a tag, found ${JSON.stringify(text)}`
  context.addIssue({ code: 'custom', message })
  return z.NEVER
})
