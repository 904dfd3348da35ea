package dynamodb

func isReserved(string) bool { return false }
