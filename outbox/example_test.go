package outbox_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/outbox"
)

// What an alarm is made of: how full the outbox is, what is set aside, and whether it keeps usage.
// A gate has it in Stats, too.
func ExampleOutbox_Stats() {
	dir, err := os.MkdirTemp("", "outbox")
	if err != nil {
		log.Fatal(err)
	}
	box, err := outbox.Open(dir, outbox.MaxBytes(64<<20))
	if err != nil {
		log.Fatal(err)
	}
	usage := gate.Usage{Customer: gate.Customer{ID: "customer-1"}, FeatureID: "templates", Value: 1, Key: "request-1", CreatedAt: time.Now()}
	if err := box.Append(context.Background(), usage); err != nil {
		log.Fatal(err)
	}
	s := box.Stats()
	fmt.Println(s.Pending, "wait,", s.SetAside, "set aside, error:", s.Err)
	fmt.Println("four fifths full:", float64(s.Bytes) > 0.8*float64(s.MaxBytes))
	if err := box.Close(); err != nil {
		log.Fatal(err)
	}
	_ = os.RemoveAll(dir)
	// Output:
	// 1 wait, 0 set aside, error: <nil>
	// four fifths full: false
}
