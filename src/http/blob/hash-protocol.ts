/** What the gate's thread and the hash thread say to each other. Chunks are moved, not copied: who sent them has them no more. */
export type ToHashThread =
  | {
      readonly type: 'update'
      readonly id: number
      readonly algorithm: string
      readonly chunks: readonly ArrayBuffer[]
    }
  | { readonly type: 'digest'; readonly id: number }
  | { readonly type: 'cancel'; readonly id: number }

export type FromHashThread =
  | { readonly type: 'hashed'; readonly bytes: number }
  | { readonly type: 'digest'; readonly id: number; readonly hex: string }
