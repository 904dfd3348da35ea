package waitingroom

func (r *Room) addDashboard() {}
