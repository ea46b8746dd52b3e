package emulator

import (
	"cmp"
	"slices"
	"time"
)

// Usage and credits in a state file.

type savedCounter struct {
	Resource  string       `json:"resource,omitempty"`
	Feature   string       `json:"featureId"`
	UpdatedAt time.Time    `json:"updatedAt"`
	Entries   []savedEntry `json:"entries"`
}

type savedEntry struct {
	At         time.Time      `json:"at"`
	How        effect         `json:"how,omitempty"`
	Value      float64        `json:"value"`
	Label      string         `json:"label,omitempty"`
	Dimensions map[string]any `json:"dimensions,omitempty"`
}

// savedAck is an answer that a repeated measurement gets again.
type savedAck struct {
	ID          string       `json:"id"`
	Measurement Measurement  `json:"measurement"`
	Usage       float64      `json:"usage"`
	Period      savedPeriod  `json:"period"`
	Timestamp   time.Time    `json:"timestamp"`
	Charge      *savedCharge `json:"charge,omitempty"`
}

type savedPeriod struct {
	Anchor time.Time `json:"anchor,omitzero"`
	Start  time.Time `json:"start,omitzero"`
	End    time.Time `json:"end,omitzero"`
}

type savedCharge struct {
	Consumed float64      `json:"consumed"`
	Rate     *creditRate  `json:"rate"`
	Wallet   *savedWallet `json:"wallet,omitempty"`
}

// savedWallet is what an answer said of a wallet; the wallets themselves are counted.
type savedWallet struct {
	Currency  string    `json:"currencyId"`
	Limit     float64   `json:"limit"`
	Used      float64   `json:"used"`
	PeriodEnd time.Time `json:"periodEnd,omitzero"`
}

type savedPurse struct {
	Grants     []savedGrant        `json:"grants,omitempty"`
	Overdrafts []savedOverdraft    `json:"overdrafts,omitempty"`
	Entries    []savedLedgerEntry  `json:"entries,omitempty"`
	Acks       []savedCreditAck    `json:"acks,omitempty"`
	UpdatedAt  []savedWalletTime   `json:"updatedAt,omitempty"`
	Recharges  map[string]recharge `json:"recharges,omitempty"`
}

type savedGrant struct {
	ID           string         `json:"id"`
	Currency     string         `json:"currencyId"`
	Resource     string         `json:"resource,omitempty"`
	Amount       float64        `json:"amount"`
	Consumed     float64        `json:"consumed"`
	Kind         string         `json:"kind"`
	Source       string         `json:"source,omitempty"`
	DisplayName  string         `json:"displayName"`
	Comment      *string        `json:"comment,omitempty"`
	Priority     float64        `json:"priority"`
	Cost         map[string]any `json:"cost,omitempty"`
	Metadata     map[string]any `json:"metadata,omitempty"`
	CreatedAt    time.Time      `json:"createdAt"`
	UpdatedAt    time.Time      `json:"updatedAt"`
	VoidedAt     time.Time      `json:"voidedAt,omitzero"`
	Effective    time.Time      `json:"effectiveAt"`
	Expire       time.Time      `json:"expireAt,omitzero"`
	Subscription string         `json:"subscriptionId,omitempty"`
	RechargeID   string         `json:"rechargeId,omitempty"`
}

type savedOverdraft struct {
	Currency string    `json:"currencyId"`
	Resource string    `json:"resource,omitempty"`
	At       time.Time `json:"at"`
	Amount   float64   `json:"amount"`
}

type savedLedgerEntry struct {
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"`
	Grant    string    `json:"grant"`
	Currency string    `json:"currencyId"`
	Resource string    `json:"resource,omitempty"`
	Feature  string    `json:"featureId,omitempty"`
	Event    string    `json:"eventId,omitempty"`
	Amount   float64   `json:"amount"`
}

type savedCreditAck struct {
	Use       CreditUse    `json:"use"`
	Wallet    *savedWallet `json:"wallet,omitempty"`
	Timestamp time.Time    `json:"timestamp"`
}

type savedWalletTime struct {
	Resource string    `json:"resource,omitempty"`
	Currency string    `json:"currencyId"`
	At       time.Time `json:"at"`
}

func (c *customer) saveCounters() []savedCounter {
	var out []savedCounter
	for key, ct := range c.counters {
		one := savedCounter{Resource: key.resource, Feature: key.feature, UpdatedAt: ct.updatedAt}
		for _, e := range ct.entries {
			one.Entries = append(one.Entries, savedEntry{e.at, e.how, e.value, e.label, e.dimensions})
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b savedCounter) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Feature, b.Feature))
	})
	return out
}

func (c *customer) saveAcks() []savedAck {
	var out []savedAck
	for _, a := range c.acks {
		one := savedAck{a.id, a.measurement, a.usage, savedPeriod{a.period.anchor, a.period.start, a.period.end}, a.timestamp, nil}
		if a.charge != nil {
			one.Charge = &savedCharge{a.charge.consumed, a.charge.rate, a.charge.wallet.save()}
		}
		out = append(out, one)
	}
	sortBy(out, func(a savedAck) string { return a.ID })
	return out
}

func (wa *wallet) save() *savedWallet {
	if wa == nil {
		return nil
	}
	return &savedWallet{wa.currency.ID, wa.limit, wa.used, wa.periodEnd}
}

func (p *purse) save() savedPurse {
	out := savedPurse{Recharges: p.recharges}
	for _, g := range p.grants {
		one := savedGrant{
			g.id, g.currency.ID, g.resource, g.amount, g.consumed, g.kind, g.source, g.displayName, g.comment, g.priority, g.cost, g.metadata,
			g.createdAt, g.updatedAt, g.voidedAt, g.effective, g.expire, "", g.rechargeID,
		}
		if g.sub != nil {
			one.Subscription = g.sub.id
		}
		out.Grants = append(out.Grants, one)
	}
	for _, o := range p.overdrafts {
		out.Overdrafts = append(out.Overdrafts, savedOverdraft{o.currency.ID, o.resource, o.at, o.amount})
	}
	for _, l := range p.entries {
		out.Entries = append(out.Entries, savedLedgerEntry{l.at, l.kind, l.grant, l.currency, l.resource, l.featureID, l.eventID, l.amount})
	}
	for _, a := range p.acks {
		out.Acks = append(out.Acks, savedCreditAck{a.use, a.wallet.save(), a.timestamp})
	}
	slices.SortFunc(out.Acks, func(a, b savedCreditAck) int {
		return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.Use.IdempotencyKey, b.Use.IdempotencyKey))
	})
	for key, at := range p.updatedAt {
		out.UpdatedAt = append(out.UpdatedAt, savedWalletTime{key.resource, key.currency, at})
	}
	slices.SortFunc(out.UpdatedAt, func(a, b savedWalletTime) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Currency, b.Currency))
	})
	return out
}
