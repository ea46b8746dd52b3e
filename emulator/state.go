package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
// version. It belongs to one emulator at a time, until that is closed or its process ends: a
// second one fails ([ErrStateInUse]; not on Windows). The lock is a file beside it, whose name
// ends in .lock.
func WithState(path string) Option {
	return func(e *Emulator) error {
		if path == "" {
			return errors.New("the path of the state file is empty")
		}
		e.statePath = path
		return nil
	}
}

// ErrStateInUse says that another emulator has a state file.
var ErrStateInUse = errors.New("another emulator has it")

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

// openState has the state file for this emulator alone and brings its world in, if there is one.
func (e *Emulator) openState() error {
	lock, locked, _ := lockFile(e.statePath + ".lock") // what can't be locked can't be written, which StateError tells
	if locked {
		return fmt.Errorf("state: %s: %w", e.statePath, ErrStateInUse)
	}
	if err := e.loadState(); err != nil {
		_ = lock.Close()
		return err
	}
	if lock != nil {
		e.stateLock = lock
		e.removeUnfinished()
	}
	return nil
}

// removeUnfinished removes what was being written when a process was killed.
func (e *Emulator) removeUnfinished() {
	folder := filepath.Dir(e.statePath)
	files, _ := os.ReadDir(folder)
	for _, f := range files {
		serial, ours := strings.CutPrefix(f.Name(), unfinished(e.statePath))
		if _, err := strconv.ParseUint(serial, 10, 64); ours && err == nil {
			_ = os.Remove(filepath.Join(folder, f.Name()))
		}
	}
}

// unfinished is how the names begin of what becomes the state file; os.CreateTemp adds a number.
func unfinished(path string) string { return "." + filepath.Base(path) + "-" }

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
	e.saving = time.AfterFunc(stateLinger, func() { e.saveState(false) })
}

// saveState writes the world as it is now. What writes is alone from before it looks at the world,
// so that no older one takes the place of a newer. After the last one nothing is written any
// more, and the file is another emulator's to have.
func (e *Emulator) saveState(last bool) {
	e.stateFile.Lock()
	defer e.stateFile.Unlock()
	if e.stateOver {
		return
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
	e.mu.Lock()
	e.stateErr = err
	e.mu.Unlock()
	if e.stateOver = last; last {
		_ = e.stateLock.Close()
	}
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
	f, err := os.CreateTemp(filepath.Dir(e.statePath), unfinished(e.statePath)+"*")
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
func (e *Emulator) closeState() {
	if e.statePath != "" {
		e.saveState(true)
	}
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
