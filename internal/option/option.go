// Package option makes options: functions that change a configuration, and return an error if what
// they were given can't be.
package option

import (
	"errors"
	"fmt"
	"time"
)

// Given is an option whose value must be there: it is, or is nil. what names it in the error.
func Given[C any](what string, is bool, set func(*C)) func(*C) error {
	return func(c *C) error {
		if !is {
			return errors.New("the " + what + " is nil")
		}
		set(c)
		return nil
	}
}

// Positive is an option whose value n must be above 0.
func Positive[C any, N int | time.Duration](what string, n N, set func(*C)) func(*C) error {
	return func(c *C) error {
		set(c)
		if n <= 0 {
			return fmt.Errorf("the %s must be positive, not %v", what, n)
		}
		return nil
	}
}
