package emulator

import (
	"errors"
	"fmt"
	"time"
)

// seedUser is a customer that a catalog brings along, with a state that is the
// same at every start.
type seedUser struct {
	ID            string             `json:"id"`
	Name          *string            `json:"name"`
	Email         *string            `json:"email"`
	CreatedAt     time.Time          `json:"createdAt"`
	Metadata      map[string]any     `json:"metadata"`
	Archived      bool               `json:"archived"`
	Subscriptions []seedSubscription `json:"subscriptions"`
	Promotions    []seedPromotion    `json:"promotionalEntitlements"`
	Usage         []seedUsage        `json:"usage"`
	Grants        []seedGrant        `json:"creditGrants"`
}

type seedSubscription struct {
	ID            string          `json:"id"`
	PlanID        string          `json:"planId"`
	ResourceID    string          `json:"resourceId"`
	BillingPeriod string          `json:"billingPeriod"`
	StartDate     time.Time       `json:"startDate"`
	UnitQuantity  *float64        `json:"unitQuantity"`
	Addons        []seedAddon     `json:"addons"`
	Entitlements  []*packageGrant `json:"entitlements"`
}

type seedAddon struct {
	AddonID  string `json:"addonId"`
	Quantity int    `json:"quantity"`
}

type seedPromotion struct {
	packageGrant
	Period    string    `json:"period"`
	StartDate time.Time `json:"startDate"`
	EndDate   time.Time `json:"customEndDate"`
}

// seedUsage is usage from before the start; it is in no record of measurements.
type seedUsage struct {
	FeatureID  string    `json:"featureId"`
	ResourceID string    `json:"resourceId"`
	Value      float64   `json:"value"`
	CreatedAt  time.Time `json:"createdAt"`
}

// seed brings the catalog's customers into the world. Errors name the field.
func (w *world) seed(users []*seedUser) error {
	for i, u := range users {
		at := fmt.Sprintf("customers[%d]", i)
		if u == nil {
			return fmt.Errorf("%s is null", at)
		}
		c, err := w.addCustomer(u.ID, u.CreatedAt.UTC())
		if err != nil {
			return fmt.Errorf("%s.id: %w", at, err)
		}
		c.name, c.email, c.metadata = u.Name, u.Email, u.Metadata
		if err := w.seedCustomer(at, c, u); err != nil {
			return err
		}
		if !u.Archived {
			continue
		}
		if _, err := w.archive(c.id, u.CreatedAt.UTC()); err != nil {
			return fmt.Errorf("%s.archived: %w", at, err)
		}
	}
	return nil
}

func (w *world) seedCustomer(at string, c *customer, u *seedUser) error {
	for i, s := range u.Subscriptions {
		if _, err := w.provision(c, s.order(), s.StartDate.UTC()); err != nil {
			return fmt.Errorf("%s.subscriptions[%d]: %w", at, i, err)
		}
	}
	for i, p := range u.Promotions {
		if err := w.seedPromotion(c, p); err != nil {
			return fmt.Errorf("%s.promotionalEntitlements[%d]: %w", at, i, err)
		}
	}
	for i, g := range u.Grants {
		if err := w.seedGrant(c, g); err != nil {
			return fmt.Errorf("%s.creditGrants[%d]: %w", at, i, err)
		}
	}
	for i, s := range u.Usage {
		m := Measurement{CustomerID: c.id, ResourceID: s.ResourceID, FeatureID: s.FeatureID, Value: s.Value}
		err := w.checkMeasurement(m)
		if refusal := (*Error)(nil); errors.As(err, &refusal) && refusal.Code != CodeFeatureHasMeter {
			return fmt.Errorf("%s.usage[%d]: %w", at, i, err)
		}
		c.seeResource(s.ResourceID, s.CreatedAt.UTC())
		c.counter(s.ResourceID, s.FeatureID).add(entry{at: s.CreatedAt.UTC(), value: s.Value, how: total}, s.CreatedAt.UTC())
	}
	return nil
}

func (w *world) seedPromotion(c *customer, p seedPromotion) error {
	f, err := w.feature(p.FeatureID)
	if err != nil {
		return fmt.Errorf("featureId: %w", err)
	}
	grant := p.packageGrant
	return w.promote(c, &promotion{feature: f, grant: &grant, period: p.Period, visible: true, start: p.StartDate.UTC()},
		p.EndDate.UTC(), p.StartDate.UTC())
}

func (s seedSubscription) order() order {
	o := order{
		id: s.ID, planID: s.PlanID, resource: s.ResourceID, billingPeriod: s.BillingPeriod,
		quantity: s.UnitQuantity, start: s.StartDate.UTC(),
		addons: map[string]int{}, overrides: map[string]*packageGrant{},
	}
	for _, a := range s.Addons {
		o.addons[a.AddonID] = a.Quantity
	}
	for _, g := range s.Entitlements {
		if g != nil {
			o.overrides[g.FeatureID] = g
		}
	}
	return o
}
