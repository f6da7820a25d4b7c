"""Does the OOD score tell which inputs fail? (paper, eq. 10, 11 and Fig. 4)"""
