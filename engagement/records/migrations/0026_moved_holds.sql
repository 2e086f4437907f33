-- The holds of a member who becomes a part of another are the other's, like the points that they held and the facts by which they ended.
GRANT UPDATE (member_id) ON hold TO engagement_app;
