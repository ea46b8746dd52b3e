package emulator

import "time"

// CreditGrant is an amount of a currency that [Emulator.GrantCredits] gives.
type CreditGrant struct {
	CurrencyID string
	// ResourceID is the resource whose wallet it is, empty for the customer's own.
	ResourceID string
	Amount     float64
	// Priority says which grants are consumed first: those with the lower number.
	// Of the same priority it is those that expire first.
	Priority float64
	// EffectiveAt and ExpireAt may be zero: now, and never.
	EffectiveAt, ExpireAt time.Time
}

// GrantCredits gives a customer credits promotionally, as createCreditGrant does,
// and gives the id of the grant. It fails with an [*Error].
func (e *Emulator) GrantCredits(customerID string, g CreditGrant) (id string, err error) {
	e.mu.Lock()
	defer e.unlock()
	now := e.present()
	c, err := e.world.liveCustomer(customerID)
	if err != nil {
		return "", err
	}
	cur, err := e.world.currency(g.CurrencyID)
	if err != nil {
		return "", err
	}
	made := &creditGrant{
		currency: cur, resource: g.ResourceID, amount: g.Amount, kind: "PROMOTIONAL", displayName: cur.DisplayName,
		priority: g.Priority, effective: g.EffectiveAt.UTC(), expire: g.ExpireAt.UTC(),
	}
	if err := e.world.grantCredits(c, made, now); err != nil {
		return "", err
	}
	return made.id, nil
}

// VoidCredits takes back what is left of a grant, as voidCreditGrant does. It fails
// with an [*Error].
func (e *Emulator) VoidCredits(grantID string) error {
	e.mu.Lock()
	defer e.unlock()
	_, _, err := e.world.voidGrant(grantID, e.present())
	return err
}

// Credits gives how many credits a customer, or a resource of it, has been granted
// and has consumed, of the grants in force: usageLimit and currentUsage of the
// CreditEntitlement. More is consumed than granted where the wallet is overdrawn.
// Both are 0 without a wallet. It fails with an [*Error].
func (e *Emulator) Credits(customerID, resourceID, currencyID string) (granted, consumed float64, err error) {
	e.mu.Lock()
	defer e.unlock()
	now := e.present()
	c, err := e.world.liveCustomer(customerID)
	if err != nil {
		return 0, 0, err
	}
	cur, err := e.world.currency(currencyID)
	if err != nil {
		return 0, 0, err
	}
	if wa := e.world.wallet(c, resourceID, cur, now); wa != nil {
		return wa.limit, wa.used, nil
	}
	return 0, 0, nil
}
