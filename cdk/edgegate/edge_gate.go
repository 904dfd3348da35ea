package edgegate
