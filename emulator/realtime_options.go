package emulator

import (
	"errors"
	"fmt"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// WithInitTimeout sets how long a socket may be open without an acknowledged
// connection_init before it is closed with 4408, in real time; the default is 10 s.
func WithInitTimeout(d time.Duration) Option {
	return func(e *Emulator) error {
		if d <= 0 {
			return fmt.Errorf("the init timeout %v is not above 0", d)
		}
		e.initTimeout = d
		return nil
	}
}

// WithKeepAlive sets how often the emulator sends a ping to every socket, in real
// time; the default is 30 s. A peer of whom nothing is heard from one ping to the
// next is cut off.
func WithKeepAlive(d time.Duration) Option {
	return func(e *Emulator) error {
		if d <= 0 {
			return fmt.Errorf("the keep-alive %v is not above 0", d)
		}
		e.keepAlive = d
		return nil
	}
}

// WithoutEvents leaves fields out of the schema's Subscription, for example
// entitlementsUpdatedV2 and usageUpdatedV2: who subscribes to one is answered the
// validation error of a server that is older than the field. One field has to stay.
func WithoutEvents(fields ...string) Option {
	return func(e *Emulator) error {
		e.without = append(e.without, fields...)
		return nil
	}
}

// leaveOut takes the fields of WithoutEvents out of the emulator's own schema.
func (e *Emulator) leaveOut() error {
	all := e.schema.Subscription
	for _, name := range e.without {
		if all.Fields.ForName(name) == nil {
			return fmt.Errorf("events: the schema has no field Subscription.%s", name)
		}
		kept := ast.FieldList{}
		for _, f := range all.Fields {
			if f.Name != name {
				kept = append(kept, f)
			}
		}
		all.Fields = kept
	}
	if len(e.without) > 0 && len(all.Fields) == 0 {
		return errors.New("events: no field of Subscription is left")
	}
	return nil
}

// Close ends every socket with the close code 1001, gives up deliveries to webhooks
// that are under way or due later, and returns when nothing of the emulator runs any
// more. Sockets that come later are refused with 503 and no webhook is told anything;
// all else is served on. It may be called again, and [Server.Close] calls it.
func (e *Emulator) Close() {
	e.end()
	e.closeState()
}

// end ends all that runs.
func (e *Emulator) end() {
	e.stopAlarm()
	e.sockets.close()
	e.hooks.close()
}
