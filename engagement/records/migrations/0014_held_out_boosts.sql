-- A boost can take away as well as add: what it would have done to the points of who is held out from it lies on either side of 0.
ALTER TABLE held_out DROP CONSTRAINT held_out_points_not_negative;
