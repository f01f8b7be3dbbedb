"""The pages that users see, from templates that an operator may replace."""
