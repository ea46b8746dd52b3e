package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// stateVersion is that of the format of state files.
const stateVersion = 1

// stateLinger is how long a change may wait to be written with others.
const stateLinger = 200 * time.Millisecond

// WithState keeps the world in a file, so that it outlives the emulator: what is in the
// file takes the place of the catalog's customers, and what changes is written to it,
// all at once, soon after and when the emulator is closed. A killed process loses the
// last 200 ms at most and never leaves half a file. Faults, limits, webhooks and the
// record of requests are not kept.
//
// The file is of the catalog that it was made with: New fails if something in it names a
// feature, a currency or a product that the catalog hasn't got, or if it is of a newer
// version. It belongs to one emulator at a time.
func WithState(path string) Option {
	return func(e *Emulator) error {
		if path == "" {
			return errors.New("the path of the state file is empty")
		}
		e.statePath = path
		return nil
	}
}

// savedWorld is a state file.
type savedWorld struct {
	Version     int           `json:"version"`
	Product     string        `json:"product"`
	Offset      time.Duration `json:"clockOffset"`
	Serial      int           `json:"serial"`
	LastStamp   time.Time     `json:"lastStamp,omitzero"`
	PublishedAt time.Time     `json:"publishedAt,omitzero"`

	Packages     []savedPackage    `json:"packages"`
	Features     map[string]string `json:"featureStatus"`
	Coupons      []savedCoupon     `json:"coupons"`
	Customers    []savedCustomer   `json:"customers"`
	Measurements []Measurement     `json:"measurements"`
	Events       []Event           `json:"events"`
	Uses         []CreditUse       `json:"creditUses"`
	Pending      []pending         `json:"pending"`
	Checkouts    []checkout        `json:"checkouts"`
}

// savedPackage is a version of a package that is the newest, or that somebody has.
type savedPackage struct {
	Addon   bool        `json:"addon"`
	Latest  bool        `json:"latest"`
	Base    *versionKey `json:"base,omitempty"`
	Package *pkg        `json:"package"`
}

type versionKey struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
}

type savedCoupon struct {
	Coupon    *coupon   `json:"coupon"`
	CreatedAt time.Time `json:"createdAt"`
	Adhoc     bool      `json:"adhoc,omitempty"`
}

// savedRedeemed names a coupon, or holds one that was made up for a subscription.
type savedRedeemed struct {
	ID    string       `json:"id,omitempty"`
	Own   *savedCoupon `json:"own,omitempty"`
	Start time.Time    `json:"start"`
}

// ratText writes exact amounts as text.
type ratText struct{ *big.Rat }

func (r ratText) MarshalJSON() ([]byte, error) {
	if r.Rat == nil {
		return []byte("null"), nil
	}
	return json.Marshal(r.RatString())
}

func (r *ratText) UnmarshalJSON(raw []byte) error {
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return err
	}
	amount, ok := new(big.Rat).SetString(*s)
	if !ok {
		return fmt.Errorf("%q is no amount", *s)
	}
	r.Rat = amount
	return nil
}

// loadState brings the world of the state file in, if there is one.
func (e *Emulator) loadState() error {
	raw, err := os.ReadFile(e.statePath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	var saved savedWorld
	if err := json.Unmarshal(raw, &saved); err != nil {
		return fmt.Errorf("state: %s: %w", e.statePath, positioned(raw, err))
	}
	if saved.Version != stateVersion {
		return fmt.Errorf("state: %s is of version %d, this emulator reads version %d", e.statePath, saved.Version, stateVersion)
	}
	if saved.Product != e.catalog.Product.ID {
		return fmt.Errorf("state: %s is of the product %q, the catalog of %q", e.statePath, saved.Product, e.catalog.Product.ID)
	}
	e.renew()
	r := &restoring{w: e.world, at: "state: " + e.statePath}
	if err := r.restore(&saved); err != nil {
		return err
	}
	e.offset = saved.Offset
	return nil
}

// saveSoon has the state written when the changes of a moment are together. The caller
// holds the mutex.
func (e *Emulator) saveSoon() {
	if e.statePath == "" || e.saving != nil || e.closed {
		return
	}
	e.saving = time.AfterFunc(stateLinger, func() {
		e.mu.Lock()
		e.saving = nil
		raw, err := e.encodeState()
		e.mu.Unlock()
		if err == nil {
			err = e.writeState(raw)
		}
		e.noteState(err)
	})
}

// encodeState gives the world as a state file. The caller holds the mutex.
func (e *Emulator) encodeState() ([]byte, error) {
	saved := e.world.save()
	saved.Offset = e.offset
	return json.Marshal(saved)
}

// writeState replaces the file as a whole: whoever reads it finds the old state or the
// new one.
func (e *Emulator) writeState(raw []byte) error {
	e.stateFile.Lock()
	defer e.stateFile.Unlock()
	f, err := os.CreateTemp(filepath.Dir(e.statePath), "."+filepath.Base(e.statePath)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), e.statePath)
	}
	return err
}

// closeState writes the state for the last time.
func (e *Emulator) closeState() error {
	if e.statePath == "" {
		return nil
	}
	e.mu.Lock()
	if e.saving != nil {
		e.saving.Stop()
		e.saving = nil
	}
	raw, err := e.encodeState()
	e.mu.Unlock()
	if err == nil {
		err = e.writeState(raw)
	}
	e.noteState(err)
	return err
}

// noteState keeps what is wrong with writing, for StateError.
func (e *Emulator) noteState(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stateErr = err
}

// StateError says why the state could not be written when it was last tried, nil if it
// was written or is not kept.
func (e *Emulator) StateError() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stateErr == nil {
		return nil
	}
	return fmt.Errorf("emulator: state: %w", e.stateErr)
}
