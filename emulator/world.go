package emulator

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
)

// world is the state of the emulated service. The Emulator's mutex guards it;
// its methods take the present from their caller.
type world struct {
	catalog       *catalog
	customers     map[string]*customer
	subscriptions map[string]*subscription
	measurements  []Measurement
	events        []Event
	uses          []CreditUse
	delay         time.Duration
	resolution    time.Duration
	pending       []pending
	eventKeys     map[eventKey]bool
	lastStamp     time.Time
	publishedAt   time.Time
	coupons       []*coupon
	checkouts     map[string]checkout
	// scheduled are the ids of subscriptions that have a schedule.
	scheduled []string
	tx        *transaction
	activity  *activities
	serial    int
	news      newsroom
}

// customer is a paying customer of the product.
type customer struct {
	id                   string
	name, email, billing *string
	metadata             map[string]any
	createdAt, updatedAt time.Time
	archivedAt           time.Time
	resources            map[string]time.Time
	// changedAt is when each resource's set was last changed from outside.
	changedAt     map[string]time.Time
	subscriptions []*subscription
	promotions    []*promotion
	counters      map[counterKey]*counter
	acks          map[ackKey]usageAck
	purse         purse

	awsID, salesforceID, crmID *string
	// currency is what the customer pays in, empty for any.
	currency string
	coupon   *redeemed
	payment  *paymentMethod
}

func newWorld(c *catalog) *world {
	return &world{
		catalog:       c,
		customers:     map[string]*customer{},
		subscriptions: map[string]*subscription{},
		eventKeys:     map[eventKey]bool{},
		coupons:       slices.Clone(c.Coupons),
		checkouts:     map[string]checkout{},
	}
}

// Stigg's patterns of the ids that callers choose.
var (
	customerIDPattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_|.@-]{0,254}$`)
	resourceIDPattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_|.-]{0,254}$`)
)

func checkCustomerID(id string) error {
	if !customerIDPattern.MatchString(id) {
		return refuse(CodeBadUserInput, "customer id %q is not a valid id", id)
	}
	return nil
}

// checkNewcomer says whether a customer of this id can be made, or changed if it is
// there already.
func (w *world) checkNewcomer(id string) error {
	if err := checkCustomerID(id); err != nil {
		return err
	}
	if c := w.customers[id]; c != nil && c.archived() {
		return refuse(CodeEntityIsArchived, "customer %q is archived", id)
	}
	return nil
}

func (w *world) addCustomer(id string, now time.Time) (*customer, error) {
	if err := checkCustomerID(id); err != nil {
		return nil, err
	}
	if w.customers[id] != nil {
		return nil, refuse(CodeDuplicatedEntity, "customer %q exists already", id)
	}
	c := &customer{
		id: id, createdAt: now, updatedAt: now,
		resources: map[string]time.Time{},
		changedAt: map[string]time.Time{},
		counters:  map[counterKey]*counter{},
		acks:      map[ackKey]usageAck{},
		purse: purse{
			acks: map[creditKey]creditAck{}, updatedAt: map[walletKey]time.Time{}, recharges: map[string]recharge{},
		},
	}
	w.customers[id] = c
	if w.tx != nil {
		w.tx.made = append(w.tx.made, c)
	}
	w.customerChanged(c, "customer.created")
	w.entitlementsChanged(c, "", "CUSTOMER_CREATED", now)
	return c, nil
}

// liveCustomer finds a customer that exists and is not archived.
func (w *world) liveCustomer(id string) (*customer, error) {
	c := w.customers[id]
	switch {
	case c == nil:
		return nil, refuse(CodeCustomerNotFound, "customer %q not found", id)
	case c.archived():
		return nil, refuse(CodeEntityIsArchived, "customer %q is archived", id)
	}
	return w.touch(c), nil
}

func (w *world) feature(id string) (*feature, error) {
	if f := w.catalog.featureByID[id]; f != nil {
		return f, nil
	}
	return nil, refuse(CodeFeatureNotFound, "feature %q not found", id)
}

func (c *customer) archived() bool { return !c.archivedAt.IsZero() }

// seeResource makes a resource known: its first subscription and its first
// usage do.
func (c *customer) seeResource(id string, now time.Time) {
	if _, seen := c.resources[id]; id != "" && !seen {
		c.resources[id] = now
	}
}

func checkResourceID(id string) error {
	if id != "" && !resourceIDPattern.MatchString(id) {
		return refuse(CodeBadUserInput, "resource id %q is not a valid id", id)
	}
	return nil
}

// archive nulls what identifies a person and ends the subscriptions, as Stigg
// documents for archived customers.
func (w *world) archive(id string, now time.Time) (*customer, error) {
	c, err := w.liveCustomer(id)
	if err != nil {
		return nil, err
	}
	c.name, c.email = nil, nil
	c.archivedAt, c.updatedAt = now, now
	for _, s := range c.subscriptions {
		if !s.over(now) {
			s.endAt(now, "CustomerArchived")
			w.subscriptionChanged(s, "subscription.canceled")
		}
	}
	w.customerChanged(c, "customer.deleted")
	w.allEntitlementsChanged(c, "CUSTOMER_ARCHIVED", now)
	return c, nil
}

// unarchive brings the customer back, without the name, the address and the
// subscriptions that the archiving took.
func (w *world) unarchive(id string, now time.Time) (*customer, error) {
	c := w.customers[id]
	if c == nil {
		return nil, refuse(CodeCustomerNotFound, "customer %q not found", id)
	}
	w.touch(c)
	c.archivedAt, c.updatedAt = time.Time{}, now
	w.customerChanged(c, "customer.updated")
	w.allEntitlementsChanged(c, "CUSTOMER_UNARCHIVED", now)
	return c, nil
}

// stamp gives a time for an answer: now, and later than every stamp before. With a
// resolution it is as coarse as that, and not before any stamp before.
func (w *world) stamp(now time.Time) time.Time {
	switch {
	case w.resolution > 0:
		now = laterOf(w.coarse(now), w.lastStamp)
	case !now.After(w.lastStamp):
		now = w.lastStamp.Add(time.Millisecond)
	}
	w.lastStamp = now
	return now
}

// coarse gives a time as the service's clock reads it.
func (w *world) coarse(t time.Time) time.Time { return t.Truncate(w.resolution) }

// pending is work that the service has taken and does later: to count an event, or a
// consumption.
type pending struct {
	Due   time.Time  `json:"due"`
	Event *Event     `json:"event,omitempty"`
	Use   *CreditUse `json:"use,omitempty"`
}

// later does something when the delay of counting is over, at once without one.
func (w *world) later(p pending, now time.Time) {
	if w.delay == 0 {
		w.do(p, now)
		return
	}
	p.Due = now.Add(w.delay)
	w.pending = append(w.pending, p)
}

func (w *world) do(p pending, now time.Time) {
	if p.Event != nil {
		w.countEvent(*p.Event, now)
	}
	if p.Use != nil && w.checkUse(*p.Use) == nil {
		w.consume(*p.Use, now)
	}
}

// settle does what has become due.
func (w *world) settle(now time.Time) {
	var rest, due []pending
	for _, p := range w.pending {
		if p.Due.After(now) {
			rest = append(rest, p)
		} else {
			due = append(due, p)
		}
	}
	w.pending = rest
	for _, p := range due {
		w.do(p, now)
	}
}

// nextID gives an id that no call before got, the same ones at every start.
func (w *world) nextID(kind string) string {
	w.serial++
	return uuidOf(kind, fmt.Sprint(w.serial))
}

// uuidOf derives the UUID of a thing from its kind and its public id, so that
// answers are the same at every start.
func uuidOf(kind, id string) string {
	sum := sha256.Sum256([]byte("stigg-emulator\x00" + kind + "\x00" + id))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", binary.BigEndian.Uint32(sum[:4]),
		sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func sortedKeys[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
