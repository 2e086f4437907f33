import type { Status } from './connection.ts'
import type { Benefit, Reason, Redemption, RewardKind } from './shop-documents.ts'

/** Everything the shop says, in one language; what the program says comes from the program. */
export interface Words {
  states: Record<Status, string>
  shop: string
  balance: string
  free: string
  insteadOf: string
  yourPrice: string
  onlyLeft: (left: string) => string
  toGo: (points: string, unit: string) => string
  others: string
  empty: string
  nothingYet: string
  unavailable: string
  goal: string
  goalReached: string
  ofPrice: (balance: string, price: string) => string
  save: string
  saveFor: (name: string) => string
  saving: string
  stopSaving: string
  stoppedSaving: string
  nowSaving: (name: string) => string
  notChanged: string
  redeem: string
  redeemName: (name: string) => string
  reasons: Record<Exclude<Reason, 'NOT_ENOUGH_POINTS'>, string>
  confirm: (kind: RewardKind, price: string) => string
  costs: string
  leaves: string
  date: string
  places: (left: string) => string
  notNow: string
  close: string
  sending: string
  unsure: string
  unsureWhy: string
  tryAgain: string
  refused: string
  shortNow: (points: string, unit: string) => string
  gone: string
  signedOut: string
  otherwise: string
  done: (kind: RewardKind) => string
  code: string
  copy: string
  copied: string
  notCopied: string
  find: string
  redeemed: (name: string) => string
  mine: string
  noneOfMine: string
  all: (count: string) => string
  fewer: string
  until: (day: string) => string
  from: (day: string) => string
  entries: (count: number) => string
  tookPart: string
  taken: Record<Redemption['state'], string>
  had: Record<Benefit['state'], string>
}

const EN: Words = {
  states: { loading: 'Loading', live: 'Live', reconnecting: 'Reconnecting', failed: 'Not available' },
  shop: 'Rewards',
  balance: 'You have',
  free: 'Free',
  insteadOf: 'instead of',
  yourPrice: 'your price',
  onlyLeft: (left) => `Only ${left} left`,
  toGo: (points, unit) => `${points} ${unit} to go`,
  others: 'More',
  empty: 'The shelf is empty for now. Look in again soon.',
  nothingYet: 'Nothing recorded yet. The shop opens with the first visit.',
  unavailable: 'The shop cannot be shown.',
  goal: 'Saving for',
  goalReached: 'You can have it now',
  ofPrice: (balance, price) => `${balance} of ${price}`,
  save: 'Save for it',
  saveFor: (name) => `Save for it: ${name}`,
  saving: 'You are saving for it',
  stopSaving: 'Stop saving',
  stoppedSaving: 'You save for nothing any more.',
  nowSaving: (name) => `You save for ${name} now.`,
  notChanged: 'That did not reach the shop. Try it again.',
  redeem: 'Redeem',
  redeemName: (name) => `Redeem ${name}`,
  reasons: {
    NOT_STARTED: 'Not open yet',
    PAUSED: 'Taking a break, back soon',
    ENDED: 'It is over',
    NOT_FOR_YOU: 'Not open to you yet',
    LIMIT_REACHED: 'You have had yours for now',
    OUT_OF_STOCK: 'All gone for now',
    SESSION_FULL: 'No place left',
    SESSION_OVER: 'It has begun already',
  },
  confirm: (kind, price) => (kind === 'DONATION' ? `Give ${price}` : kind === 'DRAW' ? `Enter for ${price}` : `Redeem for ${price}`),
  costs: 'It costs',
  leaves: 'You keep',
  date: 'Which date?',
  places: (left) => `${left} left`,
  notNow: 'Not now',
  close: 'Close',
  sending: 'One moment',
  unsure: 'We could not reach the shop',
  unsureWhy: 'We do not know yet whether it went through. Try again when you are online: you never pay twice for it.',
  tryAgain: 'Try again',
  refused: 'That did not work',
  shortNow: (points, unit) => `You are ${points} ${unit} short by now. None were taken.`,
  gone: 'It is not in the shop any more. No points were taken.',
  signedOut: 'You are signed out. Sign in again and try once more: you never pay twice for it.',
  otherwise: 'No points were taken.',
  done: (kind) =>
    kind === 'DONATION' ? 'Thank you' : kind === 'DRAW' ? 'You are in' : kind === 'EXPERIENCE' ? 'See you there' : 'It is yours',
  code: 'Your code',
  copy: 'Copy',
  copied: 'Copied',
  notCopied: 'Select it and copy it',
  find: 'You find it under “My rewards” at any time.',
  redeemed: (name) => `Redeemed: ${name}.`,
  mine: 'My rewards',
  noneOfMine: 'What you redeem stands here, with its code.',
  all: (count) => `Show all ${count}`,
  fewer: 'Show fewer',
  until: (day) => `until ${day}`,
  from: (day) => `from ${day}`,
  entries: (count) => (count === 1 ? '1 entry' : `${count} entries`),
  tookPart: 'Took part in the draw',
  taken: {
    RESERVED: 'Set aside for you',
    FULFILLED: 'Yours',
    VOIDED: 'Given up',
    EXPIRED: 'Not picked up in time',
    REFUNDED: 'Points given back',
  },
  had: { OWED: 'Code on its way', ISSUED: 'Ready to use', USED: 'Used', VOIDED: 'Taken back', EXPIRED: 'Expired' },
}

const DE: Words = {
  states: { loading: 'Lädt', live: 'Live', reconnecting: 'Verbindet neu', failed: 'Nicht verfügbar' },
  shop: 'Prämien',
  balance: 'Du hast',
  free: 'Kostenlos',
  insteadOf: 'statt',
  yourPrice: 'dein Preis',
  onlyLeft: (left) => `Nur noch ${left}`,
  toGo: (points, unit) => `Noch ${points} ${unit}`,
  others: 'Mehr',
  empty: 'Das Regal ist gerade leer. Schau bald wieder vorbei.',
  nothingYet: 'Noch nichts erfasst. Mit dem ersten Besuch geht es los.',
  unavailable: 'Der Shop kann nicht angezeigt werden.',
  goal: 'Du sparst auf',
  goalReached: 'Du kannst sie jetzt haben',
  ofPrice: (balance, price) => `${balance} von ${price}`,
  save: 'Darauf sparen',
  saveFor: (name) => `Darauf sparen: ${name}`,
  saving: 'Du sparst darauf',
  stopSaving: 'Nicht mehr sparen',
  stoppedSaving: 'Du sparst jetzt auf nichts mehr.',
  nowSaving: (name) => `Du sparst jetzt auf: ${name}.`,
  notChanged: 'Das kam nicht an. Versuch es noch einmal.',
  redeem: 'Einlösen',
  redeemName: (name) => `${name} einlösen`,
  reasons: {
    NOT_STARTED: 'Noch nicht zu haben',
    PAUSED: 'Macht Pause, bald wieder da',
    ENDED: 'Es ist vorbei',
    NOT_FOR_YOU: 'Für dich noch nicht offen',
    LIMIT_REACHED: 'Mehr davon geht gerade nicht',
    OUT_OF_STOCK: 'Zurzeit vergriffen',
    SESSION_FULL: 'Kein Platz mehr frei',
    SESSION_OVER: 'Es hat schon begonnen',
  },
  confirm: (kind, price) =>
    kind === 'DONATION' ? `${price} spenden` : kind === 'DRAW' ? `Für ${price} teilnehmen` : `Für ${price} einlösen`,
  costs: 'Es kostet',
  leaves: 'Dir bleiben',
  date: 'Welcher Termin?',
  places: (left) => `${left} frei`,
  notNow: 'Jetzt nicht',
  close: 'Schließen',
  sending: 'Einen Moment',
  unsure: 'Der Shop ist nicht erreichbar',
  unsureWhy: 'Wir wissen noch nicht, ob es geklappt hat. Versuch es noch einmal, wenn du online bist: Du zahlst nie doppelt.',
  tryAgain: 'Noch einmal',
  refused: 'Das hat nicht geklappt',
  shortNow: (points, unit) => `Inzwischen fehlen dir ${points} ${unit}. Es wurde nichts abgezogen.`,
  gone: 'Das gibt es im Shop nicht mehr. Es wurde nichts abgezogen.',
  signedOut: 'Du bist abgemeldet. Melde dich an und versuch es noch einmal: Du zahlst nie doppelt.',
  otherwise: 'Es wurde nichts abgezogen.',
  done: (kind) =>
    kind === 'DONATION' ? 'Danke' : kind === 'DRAW' ? 'Du bist dabei' : kind === 'EXPERIENCE' ? 'Bis bald' : 'Das gehört jetzt dir',
  code: 'Dein Code',
  copy: 'Kopieren',
  copied: 'Kopiert',
  notCopied: 'Bitte auswählen und kopieren',
  find: 'Du findest es jederzeit unter „Meine Prämien“.',
  redeemed: (name) => `Eingelöst: ${name}.`,
  mine: 'Meine Prämien',
  noneOfMine: 'Was du einlöst, steht hier, mit seinem Code.',
  all: (count) => `Alle ${count} zeigen`,
  fewer: 'Weniger zeigen',
  until: (day) => `bis ${day}`,
  from: (day) => `ab ${day}`,
  entries: (count) => (count === 1 ? '1 Los' : `${count} Lose`),
  tookPart: 'Hat an der Ziehung teilgenommen',
  taken: {
    RESERVED: 'Für dich zurückgelegt',
    FULFILLED: 'Gehört dir',
    VOIDED: 'Verzichtet',
    EXPIRED: 'Nicht rechtzeitig abgeholt',
    REFUNDED: 'Punkte zurückgegeben',
  },
  had: { OWED: 'Code kommt noch', ISSUED: 'Einlösbar', USED: 'Eingelöst', VOIDED: 'Zurückgenommen', EXPIRED: 'Abgelaufen' },
}

const KNOWN: Record<string, Words> = { en: EN, de: DE }

/** Words, numbers and dates of a locale; where the shop does not speak its language, the words are English. */
export class Speech {
  readonly words: Words
  readonly #number: Intl.NumberFormat
  readonly #day: Intl.DateTimeFormat
  readonly #moment: Intl.DateTimeFormat

  constructor(
    readonly locale: string,
    timeZone: string,
  ) {
    this.words = KNOWN[locale.split('-')[0]?.toLowerCase() ?? ''] ?? EN
    this.#number = new Intl.NumberFormat(locale)
    this.#day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric', timeZone })
    this.#moment = new Intl.DateTimeFormat(locale, {
      weekday: 'short',
      day: 'numeric',
      month: 'short',
      hour: 'numeric',
      minute: '2-digit',
      timeZone,
    })
  }

  number(value: number): string {
    return this.#number.format(value)
  }

  /** The last day on which something is good: what ends at midnight was good the day before. */
  lastDay(instant: string): string {
    return this.#day.format(Date.parse(instant) - 1)
  }

  day(instant: string): string {
    return this.#day.format(Date.parse(instant))
  }

  moment(instant: string): string {
    return this.#moment.format(Date.parse(instant))
  }

  /** The name of a currency within a sentence. English writes it small; German does not. */
  unit(name: string): string {
    return this.words === DE ? name : name.toLocaleLowerCase(this.locale)
  }
}

/** A speech in the first of these locales that browsers know. */
export function speech(locales: string[], timeZone: string): Speech {
  for (const locale of locales) {
    try {
      if (locale) return new Speech(locale, timeZone)
    } catch {
      // No locale, or a zone of which this browser knows nothing.
    }
  }
  return new Speech('en', 'UTC')
}

/** A key as a name, where the program gives none. */
export const named = (key: string): string => {
  const words = key.replace(/[-_.]+/g, ' ').trim()
  return words.charAt(0).toLocaleUpperCase() + words.slice(1)
}
